"""Ports of the Function URLs on the local cloud."""

# Unlike the demo sites (7778 and on) and the local services (7781 to 7783).
LOCAL_PORTS = {"trigger": 7776, "console": 7777, "queues": 7780, "downloads": 7784}

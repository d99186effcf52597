"""boto3 clients that the tests of a process share: making one takes longer than most tests."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from shared.aws.cloud import Cloud

# Service, bounds, region.
ClientKey = tuple[str, tuple[int, int, int], str]
make_client = Cloud._client


class ClientPool:
    """Clients by their properties.

    A client belongs to one test at a time, which may register event handlers. A client for another endpoint than that
    of AWS is not kept.
    """

    def __init__(self) -> None:
        self._free: defaultdict[ClientKey, list[Any]] = defaultdict(list)
        #: Makes all clients of a region: those of one session raise the same exception classes.
        self._clouds: dict[str, Cloud] = {}
        self._taken: list[tuple[ClientKey, RecordedEvents, Any]] = []

    def take(self, cloud: Cloud, service: str, bounds: tuple[int, int, int]) -> Any:
        # Its session may have event handlers, which its clients inherit.
        own_session = "session" in vars(cloud)
        if own_session or any(name.startswith("AWS_ENDPOINT_URL") for name in os.environ):
            return make_client(cloud, service, bounds)
        key = (service, bounds, cloud.names.region)
        client = self._free[key].pop() if self._free[key] else self._make(cloud, service, bounds)
        self._taken.append((key, RecordedEvents(client.meta.events), client))
        return client

    def _make(self, cloud: Cloud, service: str, bounds: tuple[int, int, int]) -> Any:
        maker = self._clouds.setdefault(cloud.names.region, Cloud(cloud.names, environment={}))
        return make_client(maker, service, bounds)

    def take_back(self) -> None:
        """Remove the event handlers of all clients in use, and keep the clients for the next test."""
        for key, events, client in self._taken:
            events.restore()
            self._free[key].append(client)
        self._taken.clear()


class RecordedEvents:
    """Event handlers that are registered from now on, so that they can be removed."""

    METHODS = ("register", "register_first", "register_last")

    def __init__(self, events: Any) -> None:
        self._events = events
        self._registered: list[tuple[str, Callable[..., Any], Any]] = []
        for name in self.METHODS:
            setattr(events, name, self._recording(getattr(events, name)))

    def restore(self) -> None:
        for name in self.METHODS:
            delattr(self._events, name)
        for event, handler, unique_id in self._registered:
            self._events.unregister(event, handler, unique_id=unique_id)

    def _recording(self, register: Callable[..., None]) -> Callable[..., None]:
        def record(event: str, handler: Callable[..., Any], unique_id: Any = None, **counted: Any) -> None:
            register(event, handler, unique_id=unique_id, **counted)
            self._registered.append((event, handler, unique_id))

        return record

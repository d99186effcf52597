"""The plugin's end of the connection.

Sends requests, and raises the host's errors with their types.
"""

from __future__ import annotations

import threading
from typing import Any

from shared.plugins import denied
from shared.plugins.wire import Connection

KINDS: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        *(FileNotFoundError, IsADirectoryError, NotADirectoryError, ConnectionError, TimeoutError),
        *(ValueError, TypeError, OSError),
    )
}
DENIALS = {
    kind.__name__: kind
    for kind in (denied.FsDenied, denied.NetDenied, denied.EnvDenied, denied.ShellDenied, denied.NativeDenied)
}


class HostClient:
    """Sends requests to the host, one at a time."""

    def __init__(self, wire: Connection) -> None:
        self._wire = wire
        self._asking = threading.Lock()

    def ask(self, what: str, body: bytes = b"", /, **arguments: Any) -> tuple[Any, bytes]:
        with self._asking:
            self._wire.send({"ask": what, **arguments}, body)
            reply, data = self._wire.receive()
        if reply.get("ok"):
            return reply["value"], data
        raise rebuild_error(reply["kind"], reply["error"])

    def tell(self, what: str, **fields: Any) -> None:
        """Send a message that has no reply."""
        self._wire.send({"tell": what, **fields})


def rebuild_error(kind: str, text: str) -> Exception:
    if kind in DENIALS:
        error = DENIALS[kind].__new__(DENIALS[kind])
        error.args = (text,)
        return error
    return KINDS.get(kind, OSError)(text)

"""The plugin's end of the wire: asks, and turns what is refused back into what it was refused as."""

from __future__ import annotations

import threading
from typing import Any

from shared.plugins import denied
from shared.plugins.wire import Wire

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


class Remote:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._asking = threading.Lock()

    def ask(self, what: str, body: bytes = b"", /, **arguments: Any) -> tuple[Any, bytes]:
        with self._asking:
            self._wire.send({"ask": what, **arguments}, body)
            answer, data = self._wire.receive()
        if answer.get("ok"):
            return answer["value"], data
        raise rebuilt(answer["kind"], answer["error"])

    def tell(self, what: str, **told: Any) -> None:
        """For what nobody answers."""
        self._wire.send({"tell": what, **told})


def rebuilt(kind: str, text: str) -> Exception:
    if kind in DENIALS:
        made = DENIALS[kind].__new__(DENIALS[kind])
        made.args = (text,)
        return made
    return KINDS.get(kind, OSError)(text)

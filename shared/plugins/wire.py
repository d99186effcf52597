"""Messages between a plugin's process and its host.

A JSON header and bytes. Nothing is unpickled.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from typing import Any

SIZES = struct.Struct("!II")
LARGEST_HEADER = 1024 * 1024
LARGEST_BODY = 9 * 1024 * 1024
# Characters of a handler's return value as JSON.
LARGEST_RESULT = 64 * 1024


class ConnectionClosed(ConnectionError):
    """The other process has closed the connection."""


class ProtocolError(ValueError):
    """The other process has sent bytes that are not a message."""


class TooLarge(ValueError):
    """The message exceeds the size limits; nothing was sent."""


class Connection:
    """One end of the connection.

    Several threads may send, one at a time reads.
    """

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.sending = threading.Lock()

    def send(self, message: Any, body: bytes = b"") -> None:
        """Raises TooLarge and OSError."""
        header = json.dumps(message, separators=(",", ":")).encode()
        if len(header) > LARGEST_HEADER or len(body) > LARGEST_BODY:
            raise TooLarge(f"a message of {len(header):,} and {len(body):,} bytes is too large")
        with self.sending:
            self.end.sendall(SIZES.pack(len(header), len(body)) + header + body)

    def receive(self) -> tuple[Any, bytes]:
        """Raises ConnectionClosed and ProtocolError."""
        header, body = SIZES.unpack(self._read(SIZES.size))
        if header > LARGEST_HEADER or body > LARGEST_BODY:
            raise ProtocolError(f"a message of {header:,} and {body:,} bytes was announced")
        try:
            message = json.loads(self._read(header))
        except (ValueError, RecursionError) as error:
            raise ProtocolError(f"the header is not JSON: {error}") from None
        return message, self._read(body)

    def _read(self, size: int) -> bytes:
        parts, missing = [], size
        while missing:
            try:
                part = self.end.recv(min(missing, 1 << 20))
            except OSError as error:
                raise ConnectionClosed(str(error)) from None
            if not part:
                raise ConnectionClosed("the other process has closed the connection")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)


def check_result(text: str) -> None:
    """Check the size of a return value, in both processes. Raises ValueError."""
    if len(text) > LARGEST_RESULT:
        raise ValueError(
            f"the return value of the handler has {len(text):,} characters; the limit is {LARGEST_RESULT:,}, "
            "use a file for more"
        )

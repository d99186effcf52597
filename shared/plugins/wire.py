"""Messages between a plugin's process and the one that serves it: a header of JSON, and bytes. Nothing is unpickled."""

from __future__ import annotations

import json
import socket
import struct
import threading
from typing import Any

HEAD = struct.Struct("!II")
LARGEST_HEADER = 1024 * 1024
LARGEST_BODY = 9 * 1024 * 1024


class Broken(ConnectionError):
    """The other end is gone."""


class Nonsense(ValueError):
    """The other end speaks another language."""


class TooLarge(ValueError):
    """More than a message may have; nothing was sent."""


class Wire:
    """Both ends send from several threads, and read in one at a time."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.sending = threading.Lock()

    def send(self, message: Any, body: bytes = b"") -> None:
        """Raises TooLarge and OSError."""
        header = json.dumps(message, separators=(",", ":")).encode()
        if len(header) > LARGEST_HEADER or len(body) > LARGEST_BODY:
            raise TooLarge(f"a message of {len(header):,} and {len(body):,} bytes is too large")
        with self.sending:
            self.end.sendall(HEAD.pack(len(header), len(body)) + header + body)

    def receive(self) -> tuple[Any, bytes]:
        """Raises Broken and Nonsense."""
        header, body = HEAD.unpack(self._exactly(HEAD.size))
        if header > LARGEST_HEADER or body > LARGEST_BODY:
            raise Nonsense(f"a message of {header:,} and {body:,} bytes was announced")
        try:
            message = json.loads(self._exactly(header))
        except (ValueError, RecursionError) as error:
            raise Nonsense(f"what came is not JSON: {error}") from None
        return message, self._exactly(body)

    def _exactly(self, size: int) -> bytes:
        parts, missing = [], size
        while missing:
            try:
                part = self.end.recv(min(missing, 1 << 20))
            except OSError as error:
                raise Broken(str(error)) from None
            if not part:
                raise Broken("the other end is closed")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

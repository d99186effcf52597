"""SMTP server of sockets: answers as it is told, and hangs up where no real server would."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable, Mapping
from types import TracebackType


class RawSmtp:
    """A relay on loopback, without TLS.

    offers: extensions of its EHLO. answers: its answer by command, the last of a list for good. hangs_up: the command
    after whose answer it closes the connection; `body` in the middle of a message, `dot` after the final dot, without
    an answer. seconds: time that it takes for a message.
    """

    def __init__(
        self,
        offers: Iterable[str] = (),
        answers: Mapping[str, str | list[str]] | None = None,
        hangs_up: str = "",
        seconds: float = 0,
    ) -> None:
        self.offers = tuple(offers)
        self.answers = {verb: [text] if isinstance(text, str) else list(text) for verb, text in (answers or {}).items()}
        self.hangs_up = hangs_up
        self.seconds = seconds
        self.commands: list[str] = []
        self.messages: list[bytes] = []
        self.accepted: list[bytes] = []
        self.connections = 0
        self.peak = 0
        self._open = 0
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> RawSmtp:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self.connections += 1
            self._open += 1
            self.peak = max(self.peak, self._open)
        try:
            with connection, connection.makefile("rb") as lines:
                self._talk(connection, lines)
        except OSError:
            pass
        finally:
            with self._lock:
                self._open -= 1

    def _talk(self, connection: socket.socket, lines: Iterable[bytes]) -> None:
        connection.sendall(f"{self._answer('CONNECT', '220 raw')}\r\n".encode())
        stream = iter(lines)
        if self.hangs_up == "CONNECT":
            return
        for line in stream:
            text = line.decode(errors="replace").rstrip("\r\n")
            self.commands.append(text)
            verb = text.split(" ")[0].upper()
            if verb == "EHLO" and "EHLO" not in self.answers:
                connection.sendall(
                    "".join(f"250-{each}\r\n" for each in ("raw", *self.offers)).encode() + b"250 HELP\r\n"
                )
            else:
                answer = self._answer(verb, {"DATA": "354 go on", "QUIT": "221 bye"}.get(verb, "250 OK"))
                connection.sendall(f"{answer}\r\n".encode())
                if verb == "DATA" and answer.startswith("354") and not self._message(connection, stream):
                    return
            if verb in (self.hangs_up, "QUIT"):
                return

    def _message(self, connection: socket.socket, lines: Iterable[bytes]) -> bool:
        """Read a message and answer; False where the connection is over."""
        if self.hangs_up == "body":
            return False
        body = b""
        for line in lines:
            if line == b".\r\n":
                break
            body += line
        self.messages.append(body)
        time.sleep(self.seconds)
        if self.hangs_up == "dot":
            return False
        answer = self._answer("END", "250 taken")
        if answer.startswith("250"):
            self.accepted.append(body)
        connection.sendall(f"{answer}\r\n".encode())
        return self.hangs_up != "END"

    def _answer(self, verb: str, usual: str) -> str:
        with self._lock:
            texts = self.answers.get(verb) or [usual]
            return texts.pop(0) if len(texts) > 1 else texts[0]

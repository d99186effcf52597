"""Heartbeats: pings to an external monitor, in the format of Healthchecks.io.

A ping never fails a run, and delays its end by two seconds at most.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from shared.observability.log import Log

# Limit in seconds for each step of a ping, and for the wait for the pings at the end of a run.
TIMEOUT_SECONDS = 2.0
START = "start"
FAIL = "fail"
# The signal of success has no segment of its own.
SUCCESS = ""


def ping_url(url: str, signal: str) -> str:
    """The URL of a ping.

    signal: `start`, `fail`, or empty for success. It becomes the last segment of the path.
    """
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    return urlunsplit(parts._replace(path=f"{path}/{signal}" if signal else path))


class Heartbeat:
    """The pings of one run, sent in order by a thread.

    Name resolution has no timeout of its own, and a receiver may send single bytes.
    """

    def __init__(self, url: str, log: Log, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = url.strip()
        self.log = log
        self.timeout_seconds = timeout_seconds
        #: time.monotonic() at which the last ping ends; None while the run goes on.
        self.until: float | None = None
        self._signals: SimpleQueue[str | None] = SimpleQueue()
        self._current: _Ping | None = None
        # A daemon thread: a name resolution that hangs must not delay the end of the process.
        self._thread = threading.Thread(target=self._send_all, name="heartbeat", daemon=True)
        self._thread.start()

    def start(self) -> None:
        self._signals.put(START)

    def end(self, signal: str | None) -> None:
        """Send the last ping, or none, and end the thread.

        A first ping that hangs is ended after half of the time, for the last one.
        """
        until = self.until = time.monotonic() + self.timeout_seconds
        if signal is not None:
            self._signals.put(signal)
        self._signals.put(None)
        self._thread.join(self.timeout_seconds / 2)
        if self._current is not None and self._current.signal == START:
            self._current.abort()
        self._thread.join(max(0.0, until - time.monotonic()))
        if self._current is not None:
            self._current.abort()
            self._thread.join(0.1)

    def _send_all(self) -> None:
        while (signal := self._signals.get()) is not None:
            try:
                self._send(signal)
            except Exception as error:  # noqa: BLE001 - no error of the monitor is one of the run
                # Without URL and message: the URL is a secret, with which others could ping too.
                self._log_failure(signal, type(error).__name__)
            finally:
                self._current = None

    def _send(self, signal: str) -> None:
        left = self.timeout_seconds if self.until is None else self.until - time.monotonic()
        self._current = ping = _Ping(self.url, signal, max(0.01, left))
        status = ping.send()
        if not 200 <= status < 300:
            self._log_failure(signal, f"status {status}")

    def _log_failure(self, signal: str, error: str) -> None:
        self.log.warning("heartbeat_failed", ping=signal or "ok", error=error)


class _Ping:
    """One request, which another thread can end at any time."""

    def __init__(self, url: str, signal: str, seconds: float) -> None:
        self.url = urlsplit(ping_url(url, signal))
        if self.url.scheme not in ("http", "https") or not self.url.hostname:
            raise ValueError("the URL of a heartbeat has the form https://host/path")
        self.signal = signal
        self.seconds = seconds
        self._aborted = False
        self._open: socket.socket | None = None

    def send(self) -> int:
        """Send it and return the status of the response."""
        tls = self.url.scheme == "https"
        host, port = self.url.hostname or "", self.url.port or (443 if tls else 80)
        connection = http.client.HTTPConnection(host, port, timeout=self.seconds)
        sock = self._connect(host, port)
        # A second descriptor, to shut the connection by: TLS takes the first one over.
        self._open = sock.dup()
        try:
            self._require_time()
            connection.sock = ssl.create_default_context().wrap_socket(sock, server_hostname=host) if tls else sock
            target = urlunsplit(("", "", self.url.path or "/", self.url.query, ""))
            connection.request("GET", target, headers={"Host": self.url.netloc.rpartition("@")[2]})
            # The status is all: the body may be endless.
            return connection.getresponse().status
        finally:
            connection.close()
            sock.close()
            self._open.close()

    def abort(self) -> None:
        """End it now, in any state except a name resolution."""
        self._aborted = True
        if self._open is not None:
            with suppress(OSError):
                self._open.shutdown(socket.SHUT_RDWR)

    def _connect(self, host: str, port: int) -> socket.socket:
        until, failure = time.monotonic() + self.seconds, OSError("there is no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            self._require_time()
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(max(0.01, until - time.monotonic()))
                sock.connect(address)
                sock.settimeout(self.seconds)
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise failure

    def _require_time(self) -> None:
        """Raise where another thread has ended the ping."""
        if self._aborted:
            raise TimeoutError

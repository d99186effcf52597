"""The context that a handler receives.

Every call is sent to the host process and authorized there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

# Characters of a log line's message and of each field; the host truncates too, and limits the lines of a run.
MAX_LOGGED = 512


# Files of one request to delete; the limit of the host and of S3.
DELETED_AT_ONCE = 1000


class Service(Protocol):
    def ask(self, what: str, body: bytes = b"", /, **arguments: Any) -> tuple[Any, bytes]:
        """The reply. Raises the error of the host, with its type."""


class Stat:
    """An entry of the workspace.

    Path, kind (`file` or `folder`), size in bytes, modified in seconds since 1970.
    """

    __slots__ = ("kind", "modified", "path", "size")

    def __init__(self, path: str, kind: str, size: int, modified: float) -> None:
        self.path, self.kind, self.size, self.modified = path, kind, size, modified

    def __repr__(self) -> str:
        return f"Stat({self.path!r}, {self.kind!r}, {self.size}, {self.modified})"


class Fs:
    """Files of the workspace, by relative paths with slashes.

    Text is UTF-8; a file has at most 8 MiB.

    A write is atomic and creates missing folders; a folder exists while it contains a file. Raises
    PermissionError (`FS access denied: ...`), FileNotFoundError, IsADirectoryError, NotADirectoryError and ValueError.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def read(self, path: str) -> str:
        return self.read_bytes(path).decode()

    def read_bytes(self, path: str) -> bytes:
        return self._service.ask("fs.read", path=path)[1]

    def write(self, path: str, data: str | bytes) -> None:
        self._service.ask("fs.write", _bytes(data), path=path)

    def append(self, path: str, data: str | bytes) -> None:
        self._service.ask("fs.append", _bytes(data), path=path)

    def list(self, path: str) -> list[Stat]:
        """The direct entries of the folder that may be read, by name."""
        entries: list[Any] = []
        after = ""
        while True:
            after, page = self._service.ask("fs.list", path=path, after=after)
            entries += json.loads(page)
            if not after:
                return [Stat(*entry) for entry in sorted(entries)]

    def walk(self, path: str) -> Iterator[Stat]:
        """All files below the folder."""
        for entry in self.list(path):
            if entry.kind == "folder":
                yield from self.walk(entry.path)
            else:
                yield entry

    def stat(self, path: str) -> Stat:
        return Stat(*self._service.ask("fs.stat", path=path)[0])

    def exists(self, path: str) -> bool:
        try:
            self.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def delete(self, path: str) -> None:
        self._service.ask("fs.delete", path=path)

    def delete_many(self, paths: Iterable[str]) -> None:
        """Delete many files with few requests.

        Those that do not exist are ignored.
        """
        left = list(paths)
        while left:
            self._service.ask("fs.delete_many", paths=left[:DELETED_AT_ONCE])
            del left[:DELETED_AT_ONCE]


class Response:
    """An HTTP response: status, headers (names in lower case), body."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        return json.loads(self.body)


class Http:
    """Requests to the hosts that the manifest allows.

    Redirects are returned, not followed.

    Raises PermissionError (`Net access denied: ...`), and ConnectionError without a response.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Response:
        return self.request("GET", url, headers=headers)

    def post(
        self, url: str, *, json: Any = None, data: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Response:
        return self.request("POST", url, json=json, data=data, headers=headers)

    def request(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        data: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        sent = dict(headers or {})
        if json is not None:
            data, sent = _json(json), {"content-type": "application/json", **sent}
        reply, body = self._service.ask("http", _bytes(data), method=method, url=url, headers=sent)
        return Response(reply["status"], reply["headers"], body)


class Env:
    """Variables that the manifest names.

    None for one that is not set, an error for one that is not named.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def get(self, name: str, default: str | None = None) -> str | None:
        value: str | None = self._service.ask("env", name=name)[0]
        return default if value is None else value

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value


class CommandResult:
    """Result of a command.

    Exit code, and the first MiB of stdout and of stderr.
    """

    __slots__ = ("code", "stderr", "stdout")

    def __init__(self, code: int, stdout: str, stderr: str) -> None:
        self.code, self.stdout, self.stderr = code, stdout, stderr


class Shell:
    """Commands that the manifest allows, run without a shell.

    Words are passed unchanged.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def run(self, command: Sequence[str] | str, stdin: str | bytes = b"") -> CommandResult:
        """Run `["git", "status"]`, or a text that is split into words."""
        if isinstance(command, str):
            import shlex

            command = shlex.split(command)
        (code, length), output = self._service.ask("shell", _bytes(stdin), words=list(command))
        return CommandResult(code, output[:length].decode(errors="replace"), output[length:].decode(errors="replace"))


class Logger:
    def __init__(self, service: Service) -> None:
        self._service = service

    def debug(self, message: str, **fields: Any) -> None:
        self._write("debug", message, fields)

    def info(self, message: str, **fields: Any) -> None:
        self._write("info", message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        self._write("warning", message, fields)

    def error(self, message: str, **fields: Any) -> None:
        self._write("error", message, fields)

    def _write(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        data = {
            name: value if isinstance(value, bool | int | float | None) else str(value)[:MAX_LOGGED]
            for name, value in fields.items()
        }
        self._service.ask("log", level=level, message=str(message)[:MAX_LOGGED], fields=data)


class Context:
    """Facts about the run, and interfaces to files, HTTP and commands."""

    def __init__(self, data: Mapping[str, Any], service: Service) -> None:
        #: `<plugin>:<job>`.
        self.jobId: str = data["jobId"]
        #: Time of the tick, ISO 8601.
        self.executedAt: str = data["executedAt"]
        #: 1 in the first run, higher in each later one.
        self.runCount: int = data["runCount"]
        self.pluginId: str = data["pluginId"]
        self.pluginVersion: str = data["pluginVersion"]
        #: Location of the workspace, for people.
        self.workdir: str = data["workdir"]
        #: The plugin's own folder in the workspace, a path for `fs`.
        self.outdir: str = data["outdir"]
        self.fs, self.http, self.env = Fs(service), Http(service), Env(service)
        self.shell, self.logger = Shell(service), Logger(service)


def _bytes(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()

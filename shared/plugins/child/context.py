"""What a plugin's handler is given. Every call of it goes to the process that serves this one, and is decided there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol


class Service(Protocol):
    def ask(self, what: str, body: bytes = b"", /, **arguments: Any) -> tuple[Any, bytes]:
        """The answer. Raises what was refused, as what it was refused."""


class Stat:
    """path, kind (`file` or `folder`), size in bytes, modified in seconds since 1970."""

    __slots__ = ("kind", "modified", "path", "size")

    def __init__(self, path: str, kind: str, size: int, modified: float) -> None:
        self.path, self.kind, self.size, self.modified = path, kind, size, modified

    def __repr__(self) -> str:
        return f"Stat({self.path!r}, {self.kind!r}, {self.size}, {self.modified})"


class Fs:
    """Files of the workspace, by paths with slashes, relative to it. Text is UTF-8; a file has 8 MiB at most.

    A write is atomic and makes the folders it needs; a folder is there for as long as a file is in it. Raises
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
        """What is directly in the folder and may be read, by name."""
        return [Stat(*entry) for entry in json.loads(self._service.ask("fs.list", path=path)[1])]

    def walk(self, path: str) -> Iterator[Stat]:
        """Every file below the folder."""
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


class Answer:
    """status, headers (names in lower case), body."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        return json.loads(self.body)


class Http:
    """Calls to the hosts that the manifest allows. Redirects are answers: call where they lead, if you may.

    Raises PermissionError (`Net access denied: ...`) and ConnectionError where no answer came.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", url, headers=headers)

    def post(
        self, url: str, *, json: Any = None, data: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        return self.request("POST", url, json=json, data=data, headers=headers)

    def request(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        data: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = dict(headers or {})
        if json is not None:
            data, sent = _json(json), {"content-type": "application/json", **sent}
        told, body = self._service.ask("http", _bytes(data), method=method, url=url, headers=sent)
        return Answer(told["status"], told["headers"], body)


class Env:
    """Variables that the manifest names. One that is not set is None; one that is not named is refused."""

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


class Ended:
    """How a command ended: its exit code, and the first MiB of what it said."""

    __slots__ = ("code", "stderr", "stdout")

    def __init__(self, code: int, stdout: str, stderr: str) -> None:
        self.code, self.stdout, self.stderr = code, stdout, stderr


class Shell:
    """Commands that the manifest allows, without any shell: words are passed as they are."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def run(self, command: Sequence[str] | str, stdin: str | bytes = b"") -> Ended:
        """`["git", "status"]`, or one text that is split at spaces as a shell does, and not looked at further."""
        if isinstance(command, str):
            import shlex

            command = shlex.split(command)
        (code, length), said = self._service.ask("shell", _bytes(stdin), words=list(command))
        return Ended(code, said[:length].decode(errors="replace"), said[length:].decode(errors="replace"))


class Logger:
    def __init__(self, service: Service) -> None:
        self._service = service

    def debug(self, message: str, **fields: Any) -> None:
        self._say("debug", message, fields)

    def info(self, message: str, **fields: Any) -> None:
        self._say("info", message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        self._say("warning", message, fields)

    def error(self, message: str, **fields: Any) -> None:
        self._say("error", message, fields)

    def _say(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        told = {
            name: value if isinstance(value, bool | int | float | None) else str(value)
            for name, value in fields.items()
        }
        self._service.ask("log", level=level, message=str(message), fields=told)


class Context:
    """jobId: `<plugin>:<job>`. executedAt: ISO 8601, the tick's time. runCount: 1 at the first run.

    workdir: where the workspace lies, for people to read; outdir: the plugin's own folder in it, for paths of `fs`.
    """

    def __init__(self, told: Mapping[str, Any], service: Service) -> None:
        self.jobId: str = told["jobId"]
        self.executedAt: str = told["executedAt"]
        self.runCount: int = told["runCount"]
        self.pluginId: str = told["pluginId"]
        self.pluginVersion: str = told["pluginVersion"]
        self.workdir: str = told["workdir"]
        self.outdir: str = told["outdir"]
        self.fs, self.http, self.env = Fs(service), Http(service), Env(service)
        self.shell, self.logger = Shell(service), Logger(service)


def _bytes(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()

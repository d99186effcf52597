"""Serves a plugin what its manifest allows. Here every request is decided, outside of the process that asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from shared.plugins.denied import Denied, EnvDenied, FsDenied, NetDenied, ShellDenied
from shared.plugins.manifest.permissions import Permissions

if TYPE_CHECKING:
    from shared.observability.log import Log
    from shared.plugins.host.workspace import Entry, Workspace

MOST_LINES = 1000
# What a plugin may be told of as what it is; of anything else it learns that it failed.
TOLD = (Denied, FileNotFoundError, IsADirectoryError, NotADirectoryError, ConnectionError, TimeoutError, ValueError)
KNOWN = frozenset(kind.__name__ for kind in (*TOLD[1:], FsDenied, NetDenied, EnvDenied, ShellDenied))

Answered = tuple[Any, bytes]


@dataclass(slots=True)
class Broker:
    """environment: where the variables are that the manifest names. remaining: seconds that the plugin has left."""

    permissions: Permissions
    workspace: Workspace
    environment: Mapping[str, str]
    log: Log
    remaining: Callable[[], float]
    lines: int = 0

    def answer(self, message: Any, body: bytes) -> Answered:
        """The reply to a request, whatever it is. It raises nothing: who asks may be anybody."""
        try:
            value, data = self._serve(message, body)
        except TOLD as error:
            kind = next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in KNOWN)
            return {"ok": False, "kind": kind, "error": _text(error, message)}, b""
        except Exception as error:  # noqa: BLE001 - a request must not end its server
            self.log.error("plugin_request_failed", error=f"{type(error).__name__}: {error}")
            return {"ok": False, "kind": "OSError", "error": "the platform could not do it; its log says why"}, b""
        return {"ok": True, "value": value}, data

    def granted(self) -> dict[str, str]:
        """The variables that are named and set."""
        return {name: self.environment[name] for name in self.permissions.env if name in self.environment}

    def _serve(self, message: Any, body: bytes) -> Answered:
        asked = Asked(message)
        match asked.what:
            case "fs.read":
                return None, self.workspace.read(self.permissions.reads(asked.text("path")))
            case "fs.write":
                self.workspace.write(self.permissions.writes(asked.text("path")), body)
            case "fs.append":
                self.workspace.append(self.permissions.writes(asked.text("path")), body)
            case "fs.delete":
                self.workspace.delete(self.permissions.writes(asked.text("path")))
            case "fs.stat":
                return _row(self.workspace.stat(self.permissions.reads(asked.text("path")))), b""
            case "fs.list":
                return None, json.dumps(self._list(asked.text("path"))).encode()
            case "http":
                return self._http(asked, body)
            case "env":
                self.permissions.named(asked.text("name"))
                return self.environment.get(asked.text("name")), b""
            case "shell":
                code, out, err = self._shell(asked, body)
                return [code, len(out)], out + err
            case "log":
                self._log(asked)
            case _:
                raise ValueError(f"nothing is served as {asked.what!r}")
        return None, b""

    def _list(self, path: str) -> list[Any]:
        entries = self.workspace.list(self.permissions.reads(path))
        return [_row(entry) for entry in entries if self._visible(entry.path)]

    def _visible(self, path: str) -> bool:
        try:
            self.permissions.reads(path)
        except FsDenied:
            return False
        return True

    def _http(self, asked: Asked, body: bytes) -> Answered:
        from shared.plugins.host import net

        status, headers, data = net.call(
            self.permissions, asked.text("method"), asked.text("url"), asked.texts("headers"), body, self.remaining()
        )
        return {"status": status, "headers": headers}, data

    def _shell(self, asked: Asked, body: bytes) -> tuple[int, bytes, bytes]:
        from shared.plugins.host import command

        words = asked.words("words")
        self.permissions.executes(words)
        return command.run(words, body, self.permissions.limits, self.remaining())

    def _log(self, asked: Asked) -> None:
        self.lines += 1
        if self.lines == MOST_LINES:
            self.log.warning("plugin_said", note=f"more than {MOST_LINES} lines; the rest is dropped")
        if self.lines >= MOST_LINES:
            return
        level = asked.text("level")
        say = {"warning": self.log.warning, "error": self.log.error}.get(level, self.log.info)
        say("plugin_said", said=asked.text("message")[:512], fields={str(n)[:64]: v for n, v in asked.fields().items()})


class Asked:
    """A request, taken apart with nothing taken on trust. Raises ValueError."""

    def __init__(self, message: Any) -> None:
        if not isinstance(message, dict):
            raise ValueError("a request is an object")
        self.message: dict[str, Any] = message
        self.what = self.text("ask")

    def text(self, name: str) -> str:
        value = self.message.get(name)
        if not isinstance(value, str):
            raise ValueError(f"{name} must be text")
        return value

    def words(self, name: str) -> tuple[str, ...]:
        value = self.message.get(name)
        if not isinstance(value, list) or not all(isinstance(word, str) and "\0" not in word for word in value):
            raise ValueError(f"{name} must be a list of texts without NUL")
        return tuple(value)

    def texts(self, name: str) -> dict[str, str]:
        value = self.message.get(name)
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            raise ValueError(f"{name} must be texts by name")
        return value

    def fields(self) -> dict[str, Any]:
        value = self.message.get("fields")
        if not isinstance(value, dict):
            return {}
        flat = {n: v for n, v in value.items() if isinstance(v, bool | int | float | str | None)}
        # JSON has no word for NaN and what is infinite, and a log line is JSON.
        return {n: str(v) if isinstance(v, float) and not isfinite(v) else v for n, v in flat.items()}


def _row(entry: Entry) -> list[Any]:
    return [entry.path, entry.kind, entry.size, entry.modified]


def _text(error: Exception, message: Any) -> str:
    if isinstance(error, OSError) and error.strerror:
        # With the path that was asked for, and not the part of it that a disk stumbled over.
        return f"{message.get('path', '')}: {error.strerror}"
    return str(error)

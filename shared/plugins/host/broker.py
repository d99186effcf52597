"""Authorize and serve the requests of a plugin, in the host."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

from shared.plugins.denied import Denied, EnvDenied, FsDenied, NetDenied, ShellDenied
from shared.plugins.host.plugin_log import PluginLog
from shared.plugins.host.workspace import PAGE
from shared.plugins.manifest.permissions import Permissions, normal

if TYPE_CHECKING:
    from shared.observability.log import Log
    from shared.plugins.host.workspace import Workspace, WorkspaceEntry

# Errors that are passed on to the plugin; of any other it learns only that the request failed.
SHOWN_ERRORS = (
    Denied,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    ConnectionError,
    TimeoutError,
    ValueError,
)
ERROR_KINDS = frozenset(kind.__name__ for kind in (*SHOWN_ERRORS[1:], FsDenied, NetDenied, EnvDenied, ShellDenied))

Reply = tuple[Any, bytes]


@dataclass(slots=True)
class PluginBroker:
    """Serves one run of a plugin."""

    permissions: Permissions
    workspace: Workspace
    #: Contains the variables that the manifest names, and others.
    environment: Mapping[str, str]
    log: Log
    #: Seconds that the run has left.
    remaining: Callable[[], float]
    #: Output of the plugin, limited per run.
    output: PluginLog = field(init=False)

    def __post_init__(self) -> None:
        self.output = PluginLog(self.log)

    def answer(self, message: Any, body: bytes) -> Reply:
        """Reply to a request.

        Never raises, since the process that sends requests is not trusted.
        """
        try:
            value, data = self._serve(message, body)
        except SHOWN_ERRORS as error:
            kind = next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in ERROR_KINDS)
            return {"ok": False, "kind": kind, "error": _text(error, message)}, b""
        except Exception as error:  # noqa: BLE001 - a request must not end the broker
            self.output.request_failed(f"{type(error).__name__}: {error}")
            return {
                "ok": False,
                "kind": "OSError",
                "error": "the platform failed to serve the request; its log has the reason",
            }, b""
        return {"ok": True, "value": value}, data

    def granted(self) -> dict[str, str]:
        """The variables that the manifest names, as far as they are set."""
        return {name: self.environment[name] for name in self.permissions.env if name in self.environment}

    def _serve(self, message: Any, body: bytes) -> Reply:
        request = Request(message)
        match request.what:
            case "fs.read":
                return None, self.workspace.read(self.permissions.reads(request.text("path")))
            case "fs.write":
                self.workspace.write(self.permissions.writes(request.text("path")), body)
            case "fs.append":
                self.workspace.append(self.permissions.writes(request.text("path")), body)
            case "fs.delete" | "fs.delete_many":
                self._delete(request)
            case "fs.stat":
                return _row(self.workspace.stat(self.permissions.reads(request.text("path")))), b""
            case "fs.list":
                after, entries = self._list(request.text("path"), request.optional("after"))
                return after, json.dumps(entries).encode()
            case "http":
                return self._http(request, body)
            case "env":
                self.permissions.named(request.text("name"))
                return self.environment.get(request.text("name")), b""
            case "shell":
                code, out, err = self._shell(request, body)
                return [code, len(out)], out + err
            case "log":
                self._log(request)
            case _:
                raise ValueError(f"the request {request.what!r} is unknown")
        return None, b""

    def _delete(self, request: Request) -> None:
        if request.what == "fs.delete":
            self.workspace.delete(self.permissions.writes(request.text("path")))
            return
        paths = request.words("paths")
        if len(paths) > PAGE:
            raise ValueError(f"at most {PAGE:,} files are deleted at once, {len(paths):,} were given")
        self.workspace.delete_many([self.permissions.writes(path) for path in paths])

    def _list(self, path: str, after: str) -> tuple[str, list[Any]]:
        """A page, and the place after which the next one begins.

        The place is empty for the last page.
        """
        entries = self.workspace.list(self.permissions.reads(path), after)
        if unnamed := sum(not _is_path(entry.path) for entry in entries):
            # Control characters, for example: no request can name these files.
            self.output.said("warning", f"{path}: {unnamed} entries are left out, whose names are no valid paths")
        following = entries[-1].place if len(entries) == PAGE else ""
        return following, [_row(entry) for entry in entries if self._visible(entry.path)]

    def _visible(self, path: str) -> bool:
        try:
            self.permissions.reads(path)
        except FsDenied:
            return False
        return True

    def _http(self, request: Request, body: bytes) -> Reply:
        from shared.plugins.host import net

        status, headers, data = net.call(
            self.permissions,
            request.text("method"),
            request.text("url"),
            request.texts("headers"),
            body,
            self.remaining(),
        )
        return {"status": status, "headers": headers}, data

    def _shell(self, request: Request, body: bytes) -> tuple[int, bytes, bytes]:
        from shared.plugins.host import command

        words = request.words("words")
        self.permissions.executes(words)
        return command.run(words, body, self.permissions.limits, self.remaining())

    def _log(self, request: Request) -> None:
        self.output.said(request.text("level"), request.text("message"), fields=request.fields())


class Request:
    """A request from the plugin's process, of which every field is validated.

    Raises ValueError.
    """

    def __init__(self, message: Any) -> None:
        if not isinstance(message, dict):
            raise ValueError("a request must be an object")
        self.message: dict[str, Any] = message
        self.what = self.text("ask")

    def text(self, name: str) -> str:
        value = self.message.get(name)
        if not isinstance(value, str):
            raise ValueError(f"{name} must be text")
        return value

    def optional(self, name: str) -> str:
        """A text, empty if it is missing."""
        return self.text(name) if name in self.message else ""

    def words(self, name: str) -> tuple[str, ...]:
        value = self.message.get(name)
        if not isinstance(value, list) or not all(isinstance(word, str) and "\0" not in word for word in value):
            raise ValueError(f"{name} must be a list of texts without NUL")
        return tuple(value)

    def texts(self, name: str) -> dict[str, str]:
        value = self.message.get(name)
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            raise ValueError(f"{name} must be an object of texts")
        return value

    def fields(self) -> dict[str, Any]:
        value = self.message.get("fields")
        if not isinstance(value, dict):
            return {}
        flat = {n: v for n, v in value.items() if isinstance(v, bool | int | float | str | None)}
        # NaN and infinity are not JSON, and a log line is.
        return {n: str(v) if isinstance(v, float) and not isfinite(v) else v for n, v in flat.items()}


def _is_path(path: str) -> bool:
    try:
        normal(path)
    except FsDenied:
        return False
    return True


def _row(entry: WorkspaceEntry) -> list[Any]:
    return [entry.path, entry.kind, entry.size, entry.modified]


def _text(error: Exception, message: Any) -> str:
    if isinstance(error, OSError) and error.strerror:
        # The path of the request, not the part of it that the disk reported.
        return f"{message.get('path', '')}: {error.strerror}"
    return str(error)

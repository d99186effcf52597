"""`os.environ` of a plugin: the variables that its manifest names, and a refusal for every other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from shared.plugins.denied import EnvDenied

# What the standard library asks for by itself. They are not set, which tells nothing.
ASKED = frozenset(
    ("PATH", "HOME", "USER", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "TZ", "TMPDIR", "TEMP", "TMP")
)
PREFIXES = ("PYTHON", "SSL_CERT_", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM")


class Guarded(MutableMapping[Any, Any]):
    """active: whether who asks now is the plugin; anybody else has `real`."""

    def __init__(self, granted: Mapping[str, str], real: Any, active: Callable[[], bool], *, raw: bool = False) -> None:
        self._granted = {
            os.fsencode(name) if raw else name: os.fsencode(value) if raw else value for name, value in granted.items()
        }
        self._real, self._active, self._raw = real, active, raw

    def __getitem__(self, name: Any) -> Any:
        if not self._active():
            return self._real[name]
        if name in self._granted:
            return self._granted[name]
        text = os.fsdecode(name)
        if text in ASKED or text.startswith(PREFIXES):
            raise KeyError(name)
        raise EnvDenied(text)

    def __setitem__(self, name: Any, value: Any) -> None:
        if not self._active():
            self._real[name] = value
            return
        raise EnvDenied(os.fsdecode(name))

    def __delitem__(self, name: Any) -> None:
        if not self._active():
            del self._real[name]
            return
        raise EnvDenied(os.fsdecode(name))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._granted if self._active() else self._real)

    def __len__(self) -> int:
        return len(self._granted if self._active() else self._real)

    def copy(self) -> dict[Any, Any]:
        return dict(self)


def guard(granted: Mapping[str, str], active: Callable[[], bool] = lambda: True) -> Callable[[], None]:
    """Put it in the place of `os.environ` and `os.environb`. Returns what takes it away again."""
    real, raw = os.environ, os.environb
    os.environ = Guarded(granted, real, active)  # type: ignore[assignment]  # noqa: B003 - in its place, not over it
    os.environb = Guarded(granted, raw, active, raw=True)  # type: ignore[assignment]

    def lift() -> None:
        os.environ, os.environb = real, raw

    return lift

"""`os.environ` of a plugin.

The variables that its manifest names; access to any other is refused.

Only the plugin's own code is refused. A library that reads its settings finds none, or those that it has set itself:
the process contains no other variables.
"""

from __future__ import annotations

import _collections_abc
import os
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from shared.plugins.denied import EnvDenied

# Files whose frames lie between the caller and the mapping.
ACCESS_LAYERS = (__file__, os.__file__, _collections_abc.__file__, "<frozen os>", "<frozen _collections_abc>")


class GuardedEnvironment(MutableMapping[Any, Any]):
    """Replaces `os.environ` while `active()`, and else passes on to `real`.

    own: path prefix of the plugin's files.
    """

    def __init__(
        self, granted: Mapping[str, str], real: Any, active: Callable[[], bool], own: str, *, raw: bool = False
    ) -> None:
        self._granted = {
            os.fsencode(name) if raw else name: os.fsencode(value) if raw else value for name, value in granted.items()
        }
        self._real, self._active, self._own, self._raw = real, active, own, raw

    def __getitem__(self, name: Any) -> Any:
        if not self._active():
            return self._real[name]
        if name in self._granted:
            return self._granted[name]
        if _called_from(self._own):
            raise EnvDenied(os.fsdecode(name))
        raise KeyError(name)

    def __setitem__(self, name: Any, value: Any) -> None:
        if not self._active():
            self._real[name] = value
        elif _called_from(self._own):
            raise EnvDenied(os.fsdecode(name))
        else:
            self._granted[name] = value

    def __delitem__(self, name: Any) -> None:
        if not self._active():
            del self._real[name]
        elif _called_from(self._own):
            raise EnvDenied(os.fsdecode(name))
        else:
            del self._granted[name]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._granted if self._active() else self._real)

    def __len__(self) -> int:
        return len(self._granted if self._active() else self._real)

    def copy(self) -> dict[Any, Any]:
        return dict(self)


def _called_from(own: str) -> bool:
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename in ACCESS_LAYERS:
        frame = frame.f_back
    return frame.f_code.co_filename.startswith(own)


def guard(granted: Mapping[str, str], own: str, active: Callable[[], bool] = lambda: True) -> Callable[[], None]:
    """Replace `os.environ` and `os.environb`; returns a function that restores them."""
    real, raw = os.environ, os.environb
    os.environ = GuardedEnvironment(granted, real, active, own)  # type: ignore[assignment]  # noqa: B003 - replaced, not updated
    os.environb = GuardedEnvironment(granted, raw, active, own, raw=True)  # type: ignore[assignment]

    def restore() -> None:
        os.environ, os.environb = real, raw

    return restore

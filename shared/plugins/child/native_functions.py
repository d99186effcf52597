"""Replace native functions that act without an audit event.

The replacements are attributes of modules, so code that searches for the originals finds them; the kernel's
restrictions hold against that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from shared.plugins.child.audit_hook import BYPASS_SHELL, NATIVE, UNAUDITED
from shared.plugins.child.native_modules import ImportRules
from shared.plugins.denied import NativeDenied, ShellDenied, UserDatabaseDenied

# Databases of users. Libraries import these modules to expand `~`, and expect KeyError where a user has no entry.
USER_DATABASES = {
    "pwd": ("getpwall", "getpwnam", "getpwuid"),
    "grp": ("getgrall", "getgrgid", "getgrnam"),
    "spwd": ("getspall", "getspnam"),
}
# Functions that open files of translations.
TRANSLATIONS = ("bindtextdomain", "dcgettext", "dgettext", "gettext", "textdomain")
# The standard library tries to import it, and expects ImportError where it is missing.
OPTIONAL = ("_interpreters",)
# Threads of a plugin, besides its first.
MAX_THREADS = 64
# Functions that start a thread, in the modules that have them; not every Python has an audit event for it.
STARTS = ("start_new_thread", "start_new", "start_joinable_thread", "_start_new_thread", "_start_joinable_thread")
# Modules of this process that were needed to restrict it.
USED = ("ctypes", "_ctypes", "shared.plugins.child.landlock", "shared.plugins.child.seccomp")


def replace(rules: ImportRules) -> None:
    """Replace the functions, for the life of the process."""
    import _locale
    import _posixsubprocess
    import posix
    import signal
    import time

    def fork_exec(*_: Any) -> int:
        raise ShellDenied("subprocess", BYPASS_SHELL)

    _posixsubprocess.fork_exec = fork_exec
    _guard_imports(rules)
    _limit_threads()
    for module in (os, posix, time, signal, sys.modules["_signal"]):
        _refuse(module, UNAUDITED)
    _refuse(_locale, TRANSLATIONS)
    for name, functions in USER_DATABASES.items():
        sys.modules[name] = _database(name, functions)
    for name in OPTIONAL:
        sys.modules[name] = None  # type: ignore[assignment] # import_ raises ImportError for it
    for name in [name for name in sys.modules if name.startswith(tuple(f"{used}." for used in USED)) or name in USED]:
        module = sys.modules.pop(name)
        parent, _, attribute = name.rpartition(".")
        if parent in sys.modules and vars(sys.modules[parent]).get(attribute) is module:
            delattr(sys.modules[parent], attribute)


def _guard_imports(rules: ImportRules) -> None:
    import _imp

    dynamic, builtin, execute = _imp.create_dynamic, _imp.create_builtin, _imp.exec_dynamic

    def create_dynamic(spec: Any, *rest: Any) -> Any:
        # A module that was loaded before comes from a cache, without an audit event.
        if rules.refuse(str(spec.name), str(spec.origin)):
            raise NativeDenied(f"import {spec.name}", NATIVE)
        return dynamic(spec, *rest)

    def create_builtin(spec: Any) -> Any:
        # The import system's own call follows an audit event, a direct one does not.
        if rules.refuse(str(spec.name)):
            raise NativeDenied(f"import {spec.name}", NATIVE)
        return builtin(spec)

    def exec_dynamic(module: Any) -> Any:
        result = execute(module)
        if hasattr(module, "_SSLContext"):
            module._SSLContext = _without_files(module._SSLContext)
        return result

    _imp.create_dynamic, _imp.create_builtin, _imp.exec_dynamic = create_dynamic, create_builtin, exec_dynamic


def _limit_threads() -> None:
    import _thread
    import threading

    def limited(start: Callable[..., Any]) -> Callable[..., Any]:
        def start_thread(*arguments: Any, **named: Any) -> Any:
            if _thread._count() >= MAX_THREADS:
                raise NativeDenied("thread", f"exceeds {MAX_THREADS} threads")
            return start(*arguments, **named)

        return start_thread

    for module in (_thread, threading):
        for name in STARTS:
            if hasattr(module, name):
                setattr(module, name, limited(getattr(module, name)))


def _refuse(module: ModuleType, names: Iterable[str]) -> None:
    for name in names:
        if hasattr(module, name):
            setattr(module, name, _refusal(f"{module.__name__}.{name}", NativeDenied))


def _refusal(what: str, denied: type[NativeDenied]) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> None:
        raise denied(what, NATIVE)

    return refuse


def _database(name: str, functions: Iterable[str]) -> ModuleType:
    module = ModuleType(name)
    for function in functions:
        setattr(module, function, _refusal(f"{name}.{function}", UserDatabaseDenied))
    return module


def _without_files(context: Any) -> type:
    """The class of TLS contexts without its methods that open a file."""
    load = context.load_verify_locations

    def load_verify_locations(self: Any, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        if cafile is not None or capath is not None:
            raise NativeDenied("ssl.load_verify_locations", NATIVE)
        load(self, cadata=cadata)

    members = {
        "__slots__": (),
        "load_verify_locations": load_verify_locations,
        **{name: _refusal(f"ssl.{name}", NativeDenied) for name in ("load_cert_chain", "load_dh_params")},
        "keylog_filename": property(lambda _: None, _refusal("ssl.keylog_filename", NativeDenied)),
    }
    return type("_SSLContext", (context,), members)

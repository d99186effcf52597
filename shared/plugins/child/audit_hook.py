"""An audit hook (PEP 578): what goes around the context is told so, by name, at the line that tried.

It runs in the interpreter of the code that it watches, so it is no wall against code that means harm; landlock.py and
seccomp.py are. It holds by itself where nobody is out to break it, and where a kernel has neither of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from shared.plugins.denied import Denied, EnvDenied, FsDenied, NativeDenied, NetDenied, ShellDenied

AROUND_FS = "goes around the context; use context.fs"
AROUND_NET = "goes around the context; use context.http"
AROUND_SHELL = "goes around the context; use context.shell"
NATIVE = "would reach below Python"

CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
COMMANDS = ("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "os.startfile", "os.kill")
PROCESSES = ("os.killpg", "subprocess.Popen", "pty.spawn", "webbrowser.open", "os.startfile/2", "signal.pthread_kill")
NATIVE_MODULES = frozenset(
    ("ctypes", "_ctypes", "_posixsubprocess", "_posixshmem", "_multiprocessing", "cffi", "_cffi_backend")
)
# Functions of os and time of which no audit event tells. What is not there on this system is left out.
UNHEARD = (
    *("mkfifo", "mknod", "chroot", "unshare", "setns", "memfd_create", "pidfd_open", "openpty", "posix_openpt"),
    *("setuid", "setgid", "seteuid", "setegid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups"),
    *("initgroups", "setpriority", "nice", "setpgid", "setpgrp", "setsid", "sched_setaffinity", "sched_setscheduler"),
    *("sched_setparam", "tcsetpgrp", "login_tty", "pidfd_send_signal", "clock_settime", "clock_settime_ns"),
)
LOOKING = ("os.listdir", "os.scandir", "os.walk", "os.fwalk")

Check = Callable[[tuple[Any, ...]], Denied | None]


def install(readable: Iterable[str], active: Callable[[], bool] = lambda: True) -> None:
    """For the life of the process. readable: folders of code. active: whether who asks now is the plugin."""
    checks = Checks(table(tuple(os.path.realpath(path) for path in readable)))
    passed: set[tuple[Any, ...]] = set()

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        # What was found to be code stays so: nobody in here can put a link in its place. A subclass of str could be
        # equal to anything.
        if event == "open" and type(arguments[0]) is str and arguments in passed:
            return
        check = checks[event]
        if check is None or not active():
            return
        refused = check(arguments)
        if refused is not None:
            raise refused
        if event == "open" and type(arguments[0]) is str and arguments[0].startswith("/"):
            passed.add(arguments)

    sys.addaudithook(watch)


class Checks(dict[str, "Check | None"]):
    """By event; of one that nobody has named, by how it begins."""

    def __missing__(self, event: str) -> Check | None:
        found = self[event] = _unknown(event)
        return found


def table(readable: tuple[str, ...]) -> dict[str, Check | None]:
    """What is asked at each event that is looked at."""
    code = tuple(f"{path}{os.sep}" for path in readable)

    def opened(arguments: tuple[Any, ...]) -> Denied | None:
        path, mode, flags = (*arguments, None, None)[:3]
        if isinstance(path, int):
            # One that is open already: it was passed by whoever may.
            return None
        changing = (isinstance(flags, int) and flags & CHANGING) or (isinstance(mode, str) and set("wax+") & set(mode))
        return FsDenied(_shown(path), AROUND_FS) if changing or not below(path) else None

    def looked(arguments: tuple[Any, ...]) -> Denied | None:
        path = arguments[0] if arguments else "."
        return None if isinstance(path, int) or below(path) else FsDenied(_shown(path), AROUND_FS)

    def below(path: Any) -> bool:
        try:
            real = os.path.realpath(os.fsdecode(path)) + os.sep
        except (TypeError, ValueError):
            return False
        return real.startswith(code)

    return {
        "open": opened,
        **dict.fromkeys(LOOKING, looked),
        **{name: _always(ShellDenied, name, AROUND_SHELL) for name in (*COMMANDS, *PROCESSES)},
        "os.putenv": lambda arguments: EnvDenied(_shown(arguments[0])),
        "os.unsetenv": lambda arguments: EnvDenied(_shown(arguments[0])),
        "import": _imported,
        "socket.__new__": _made,
        "resource.setrlimit": _always(NativeDenied, "resource.setrlimit", "would change the quotas"),
        "resource.prlimit": _always(NativeDenied, "resource.prlimit", "would change the quotas"),
    }


# Kinds of events, by how they begin: a Python that brings a new one has it denied.
KINDS: tuple[tuple[str, type[Denied], str], ...] = (
    ("os.", FsDenied, AROUND_FS),
    ("shutil.", FsDenied, AROUND_FS),
    ("tempfile.", FsDenied, AROUND_FS),
    ("glob.glob", FsDenied, AROUND_FS),
    ("pathlib.", FsDenied, AROUND_FS),
    ("socket.", NetDenied, AROUND_NET),
    ("urllib.", NetDenied, AROUND_NET),
    ("http.client.", NetDenied, AROUND_NET),
    ("ftplib.", NetDenied, AROUND_NET),
    ("smtplib.", NetDenied, AROUND_NET),
    ("poplib.", NetDenied, AROUND_NET),
    ("imaplib.", NetDenied, AROUND_NET),
    ("nntplib.", NetDenied, AROUND_NET),
    ("telnetlib.", NetDenied, AROUND_NET),
    ("syslog.", NativeDenied, NATIVE),
    ("ctypes.", NativeDenied, NATIVE),
    ("fcntl.", NativeDenied, NATIVE),
    # Also in memory: ATTACH opens any file.
    ("sqlite3.", FsDenied, AROUND_FS),
)
# Of those kinds, what neither reads nor changes anything.
HARMLESS = frozenset(("os.add_dll_directory", "socket.gethostname"))


def _unknown(event: str) -> Check | None:
    if event in HARMLESS:
        return None
    for begins, denied, why in KINDS:
        if event.startswith(begins):
            return _always(denied, event, why)
    return None


def _always(denied: type[Any], what: str, why: str) -> Check:
    return lambda arguments: denied(f"{what}({_shown(arguments[0]) if arguments else ''})", why)


def _imported(arguments: tuple[Any, ...]) -> Denied | None:
    name = arguments[0]
    if isinstance(name, str) and name.partition(".")[0] in NATIVE_MODULES:
        return NativeDenied(f"import {name}", NATIVE)
    return None


def _made(arguments: tuple[Any, ...]) -> Denied | None:
    # An event loop wakes itself by a pair of sockets, which have no way out.
    family = arguments[1] if len(arguments) > 1 else None
    return None if family == 1 else NetDenied("socket", AROUND_NET)


def _shown(value: Any) -> str:
    return str(value)[:200]

"""An audit hook (PEP 578).

Code that bypasses the context gets a named error at the line of the attempt.

It runs in the interpreter that it watches, so it does not stop malicious code; landlock.py and seccomp.py do. On a
kernel without them it stops only code that does not try to disable it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from shared.plugins.child.native_modules import ImportRules
from shared.plugins.denied import Denied, EnvDenied, FsDenied, NativeDenied, NetDenied, ShellDenied

BYPASS_FS = "bypasses the context; use context.fs"
BYPASS_NET = "bypasses the context; use context.http"
BYPASS_SHELL = "bypasses the context; use context.shell"
NATIVE = "would bypass the interpreter"

CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
COMMANDS = ("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "os.startfile", "os.kill")
PROCESSES = ("os.killpg", "subprocess.Popen", "pty.spawn", "webbrowser.open", "os.startfile/2", "signal.pthread_kill")
# Functions of os and time without an audit event; those that this system lacks are ignored.
UNAUDITED = (
    *("mkfifo", "mknod", "chroot", "unshare", "setns", "memfd_create", "pidfd_open", "openpty", "posix_openpt"),
    *("setuid", "setgid", "seteuid", "setegid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups"),
    *("initgroups", "setpriority", "nice", "setpgid", "setpgrp", "setsid", "sched_setaffinity", "sched_setscheduler"),
    *("sched_setparam", "tcsetpgrp", "login_tty", "pidfd_send_signal", "clock_settime", "clock_settime_ns"),
    *("sync", "getgrouplist"),
)
LISTINGS = ("os.listdir", "os.scandir", "os.walk", "os.fwalk")

Check = Callable[[tuple[Any, ...]], Denied | None]


def install(readable: Iterable[str], rules: ImportRules, active: Callable[[], bool] = lambda: True) -> None:
    """Install the hook for the life of the process.

    readable: folders of code. active: whether a plugin is running.
    """
    checks = Checks(table(tuple(os.path.realpath(path) for path in readable), rules))
    allowed: set[tuple[Any, ...]] = set()

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        # A path that was allowed remains allowed: the process cannot replace it by a link. The exact type is checked
        # because a subclass of str could compare equal to anything.
        if event == "open" and type(arguments[0]) is str and arguments in allowed:
            return
        check = checks[event]
        if check is None or not active():
            return
        denial = check(arguments)
        if denial is not None:
            raise denial
        if event == "open" and type(arguments[0]) is str and arguments[0].startswith("/"):
            allowed.add(arguments)

    sys.addaudithook(watch)


class Checks(dict[str, "Check | None"]):
    """Checks by event.

    An event that is not named is checked by its prefix.
    """

    def __missing__(self, event: str) -> Check | None:
        check = self[event] = _check_by_prefix(event)
        return check


def table(readable: tuple[str, ...], rules: ImportRules) -> dict[str, Check | None]:
    """The check of each event that is watched."""
    code = tuple(f"{path}{os.sep}" for path in readable)

    def check_open(arguments: tuple[Any, ...]) -> Denied | None:
        path, mode, flags = (*arguments, None, None)[:3]
        if isinstance(path, int):
            # A descriptor is open already, and was checked then.
            return None
        changing = (isinstance(flags, int) and flags & CHANGING) or (isinstance(mode, str) and set("wax+") & set(mode))
        return FsDenied(_shown(path), BYPASS_FS) if changing or not below(path) else None

    def check_listing(arguments: tuple[Any, ...]) -> Denied | None:
        path = arguments[0] if arguments else "."
        return None if isinstance(path, int) or below(path) else FsDenied(_shown(path), BYPASS_FS)

    def check_import(arguments: tuple[Any, ...]) -> Denied | None:
        name, file = _exact(arguments[0]), _exact(arguments[1]) if len(arguments) > 1 else ""
        denied = isinstance(name, str) and rules.refuse(name, file if isinstance(file, str) else "")
        return NativeDenied(f"import {name}", NATIVE) if denied else None

    def below(path: Any) -> bool:
        try:
            real = os.path.realpath(os.fsdecode(_exact(path))) + os.sep
        except (TypeError, ValueError):
            return False
        return real.startswith(code)

    return {
        "open": check_open,
        **dict.fromkeys(LISTINGS, check_listing),
        **{name: _deny(ShellDenied, name, BYPASS_SHELL) for name in (*COMMANDS, *PROCESSES)},
        "os.putenv": lambda arguments: EnvDenied(_shown(arguments[0])),
        "os.unsetenv": lambda arguments: EnvDenied(_shown(arguments[0])),
        "import": check_import,
        "socket.__new__": _check_socket,
        "resource.setrlimit": _deny(NativeDenied, "resource.setrlimit", "would change the quotas"),
        "resource.prlimit": _deny(NativeDenied, "resource.prlimit", "would change the quotas"),
    }


# Prefixes of denied events, so that new events of later Pythons are denied too.
KINDS: tuple[tuple[str, type[Denied], str], ...] = (
    ("os.", FsDenied, BYPASS_FS),
    ("shutil.", FsDenied, BYPASS_FS),
    ("tempfile.", FsDenied, BYPASS_FS),
    ("glob.glob", FsDenied, BYPASS_FS),
    ("pathlib.", FsDenied, BYPASS_FS),
    ("socket.", NetDenied, BYPASS_NET),
    ("urllib.", NetDenied, BYPASS_NET),
    ("http.client.", NetDenied, BYPASS_NET),
    ("ftplib.", NetDenied, BYPASS_NET),
    ("smtplib.", NetDenied, BYPASS_NET),
    ("poplib.", NetDenied, BYPASS_NET),
    ("imaplib.", NetDenied, BYPASS_NET),
    ("nntplib.", NetDenied, BYPASS_NET),
    ("telnetlib.", NetDenied, BYPASS_NET),
    ("syslog.", NativeDenied, NATIVE),
    ("ctypes.", NativeDenied, NATIVE),
    ("sys.remote_exec", NativeDenied, NATIVE),
    ("sys.activate_stack_trampoline", NativeDenied, NATIVE),
    ("fcntl.", NativeDenied, NATIVE),
    # Also for a database in memory: ATTACH opens any file.
    ("sqlite3.", FsDenied, BYPASS_FS),
)
# Events with these prefixes that neither read nor change anything.
HARMLESS = frozenset(("os.add_dll_directory", "socket.gethostname"))


def _check_by_prefix(event: str) -> Check | None:
    if event in HARMLESS:
        return None
    for begins, denied, why in KINDS:
        if event.startswith(begins):
            return _deny(denied, event, why)
    return None


def _deny(denied: type[Any], what: str, why: str) -> Check:
    return lambda arguments: denied(f"{what}({_shown(arguments[0]) if arguments else ''})", why)


def _check_socket(arguments: tuple[Any, ...]) -> Denied | None:
    # Event loops use a pair of Unix sockets internally, which cannot connect elsewhere.
    family = arguments[1] if len(arguments) > 1 else None
    return None if family == 1 else NetDenied("socket", BYPASS_NET)


def _exact(value: Any) -> Any:
    """The value as an exact str or bytes.

    Methods of a subclass could return another path than the one that is opened.
    """
    if isinstance(value, str):
        return str.__str__(value)
    return bytes.__getitem__(value, slice(None)) if isinstance(value, bytes) else value


def _shown(value: Any) -> str:
    return str(value)[:200]

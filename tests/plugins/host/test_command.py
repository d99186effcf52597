"""Attacks by an allowed command on its host, each of which succeeds without the restrictions."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from shared.plugins.denied import ShellDenied
from shared.plugins.host import command, process_count
from shared.plugins.manifest.permissions import Limits
from tests.plugins import kernels

# A Python of the system: programs elsewhere cannot be executed.
PYTHON = shutil.which("python3", path="/usr/bin:/bin") or ""
LIMITS = Limits(20_000, 512, 20_000)
CALL = "import ctypes; c = ctypes.CDLL(None, use_errno=True); "
# By a name; each raises an error where it is refused. HOST is a process of the same user.
ATTACKS = {
    "prlimit": "import resource as r; r.prlimit(HOST, r.RLIMIT_CORE, (0, 0))",
    "prlimit without a change": "import resource as r; r.prlimit(HOST, r.RLIMIT_CPU)",
    "kill": "os.kill(HOST, 0)",
    "killpg": "os.killpg(os.getpgid(HOST), 0)",
    "kill of everybody else": "os.kill(HOST, 18)",
    "tkill": CALL + "check(c.syscall(200, HOST, 0))",
    "tgkill": CALL + "check(c.syscall(234, HOST, HOST, 0))",
    "rt_sigqueueinfo": CALL + "check(c.syscall(129, HOST, 18, struct.pack('iii', 18, 0, -1) + bytes(116)))",
    "pidfd_open": "os.pidfd_open(HOST)",
    "pidfd_send_signal": "signal.pidfd_send_signal(os.pidfd_open(HOST), 0)",
    "F_SETOWN": "import fcntl, socket; fcntl.fcntl(os.pipe()[0], 8, HOST)",
    "F_SETSIG": "import fcntl; fcntl.fcntl(os.pipe()[0], 10, 9)",
    "F_SETOWN_EX": "import fcntl; fcntl.fcntl(os.pipe()[0], 15, struct.pack('ii', 1, HOST))",
    "setsid": "os.fork() and os._exit(os.waitstatus_to_exitcode(os.wait()[1])) or os.setsid()",
    "setpgid": "os.fork() and os._exit(os.waitstatus_to_exitcode(os.wait()[1])) or os.setpgid(0, 0)",
    "setpriority": "os.setpriority(os.PRIO_PROCESS, HOST, 5)",
    "setpriority of the group": "os.setpriority(os.PRIO_PGRP, os.getpgid(HOST), 5)",
    "sched_setaffinity": "os.sched_setaffinity(HOST, {0})",
    "sched_setscheduler": "os.sched_setscheduler(HOST, os.SCHED_BATCH, os.sched_param(0))",
    "ioprio_set": CALL + "check(c.syscall(251, 1, HOST, 3 << 13))",
    "ptrace": CALL + "check(c.syscall(101, 0x4206, HOST, 0, 0))",
    "PR_SET_PDEATHSIG": CALL + "check(c.prctl(1, 0))",
    "sync": CALL + "check(c.syscall(162))",
    "mlockall": CALL + "check(c.syscall(151, 1))",
    "mlock": CALL + "check(c.syscall(149, ctypes.create_string_buffer(4096), 4096))",
    "socket": "import socket; socket.socket()",
    "unix socket": "import socket; socket.socket(socket.AF_UNIX)",
    "environment of the host": "open(f'/proc/{HOST}/environ').read()",
    "memory of the host": "open(f'/proc/{HOST}/mem', 'rb')",
    "descriptors of the host": "os.listdir(f'/proc/{HOST}/fd')",
    "a secret": "open(SECRET).read()",
    "a secret by its folder": "os.listdir(os.path.dirname(SECRET))",
    "deletion": "os.unlink(SECRET)",
    "renaming": "os.rename(SECRET, SECRET + '.old')",
    "truncation": "os.truncate(SECRET, 0)",
    "a file beside it": "open(SECRET + '.new', 'w')",
    "a link to it": "os.symlink(SECRET, SECRET + '.link')",
}


def script(code: str, host: int, secret: Path) -> str:
    head = f"import ctypes, os, signal, struct, sys; HOST = {host}; SECRET = {str(secret)!r}"
    check = textwrap.dedent(
        """
        def check(result):
            if result < 0:
                raise OSError(ctypes.get_errno(), "refused")
        """
    )
    end = "print('obtained')\nexcept OSError as error:\n    print(error)\n    sys.exit(3)\n"
    return f"{head}\n{check}\ntry:\n    {code}\n    {end}"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (path := tmp_path / "outside" / "secret").write_text("canary")
    return path


def ran(code: str) -> tuple[int, str]:
    status, out, err = command.run((PYTHON, "-I", "-S", "-c", code), b"", LIMITS, 20)
    return status, (out + err).decode()


@pytest.mark.skipif(not PYTHON or os.uname().machine != "x86_64", reason="needs a Python of the system")
@pytest.mark.parametrize("lacks", [False, True])
def test_no_attack_reaches_the_host(secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacks: bool) -> None:
    if lacks:
        monkeypatch.setattr(command, "EXEC_COMMAND", kernels.boot(tmp_path, kernels.LANDLOCK, of=command.EXEC_COMMAND))
    # Without Landlock the filter alone is left: it refuses all but files that the user may read and change.
    attacks = {
        name: code for name, code in ATTACKS.items() if not lacks or ("/proc" not in code and "SECRET" not in code)
    }
    for name, code in attacks.items():
        status, said = ran(script(code, os.getpid(), secret))
        assert (status, "obtained" in said) == (3, False), (name, status, said)
    assert [path.name for path in secret.parent.iterdir()] == ["secret"]
    assert secret.read_text() == "canary"


@pytest.mark.skipif(not PYTHON or os.uname().machine != "x86_64", reason="needs a Python of the system")
@pytest.mark.parametrize("name", ATTACKS)
def test_each_attack_succeeds_without_the_restrictions(secret: Path, name: str) -> None:
    with subprocess.Popen(["/bin/sleep", "60"], start_new_session=True) as host:
        code = script(ATTACKS[name], host.pid, secret)
        done = subprocess.run(
            [PYTHON, "-I", "-S", "-c", code], capture_output=True, check=False, start_new_session=True
        )
        host.send_signal(signal.SIGKILL)
    assert b"obtained" in done.stdout or done.returncode == 0, (done.stdout, done.stderr)


def test_a_command_cannot_start_thousands_of_processes() -> None:
    forks = "for i in 1 2 3 4 5 6 7 8 9 10; do for j in 1 2 3 4 5 6 7 8 9 10; do sleep 30 & done; done; wait"
    with pytest.raises(ShellDenied, match="has more than 64 processes"):
        command.run(("sh", "-c", forks), b"", LIMITS, 20)


def test_nothing_that_a_command_started_outlives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions: list[int] = []
    real = command._kill_group

    def kill(process: subprocess.Popen[bytes]) -> None:
        real(process)
        sessions.append(process.pid)

    monkeypatch.setattr(command, "_kill_group", kill)
    command.run(("sh", "-c", "setsid sleep 60 & (sleep 60 &) ; sleep 60 & exit 0"), b"", LIMITS, 20)
    # A killed process ends when it is scheduled next, and is gone when its parent has collected it.
    deadline = time.monotonic() + 10
    while not all(state in b"ZX" for state in _states(sessions[0])):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _states(session: int) -> list[bytes]:
    return [fields[0] for fields in process_count._stats() if int(fields[process_count.SESSION]) == session]


def test_a_command_ends_with_its_host(tmp_path: Path) -> None:
    """A host that is killed cannot end its command; the kernel does."""
    source = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from shared.plugins.host import command
from shared.plugins.manifest.permissions import Limits
command.run(("sh", "-c", "echo $$ > /dev/stderr; sleep 60"), b"", Limits(60000, 256, 60000), 60)
"""
    real = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE)
    child = _child(real.pid)
    real.kill()
    real.wait()
    descriptor = os.pidfd_open(child) if _alive(child) else -1
    if descriptor >= 0:
        import select

        assert select.select([descriptor], [], [], 10)[0]
    assert not _alive(child)


def _child(parent: int) -> int:
    """The first process whose parent is this one, when it exists."""
    while True:
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                fields = process_count._fields(folder)
                if fields and int(fields[1]) == parent and _program(folder) == "sh":
                    return int(folder.name)


def _program(folder: Path) -> str:
    try:
        return (folder / "comm").read_text().strip()
    except OSError:
        return ""


def _alive(pid: int) -> bool:
    fields = process_count._fields(Path(f"/proc/{pid}"))
    return bool(fields) and fields[0] not in b"ZX"


def test_an_ordinary_command_still_works() -> None:
    code = "set -e; ulimit -n 32; (exit 3) || echo three; echo a | tr a b; timeout 5 echo ended; nice -n 5 echo nice"
    status, out, err = command.run(("sh", "-c", code), b"", LIMITS, 20)
    assert (status, out, err) == (0, b"three\nb\nended\nnice\n", b"")

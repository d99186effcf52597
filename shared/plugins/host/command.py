"""Run an allowed command without shell, environment and network."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from shared.plugins.denied import ShellDenied
from shared.plugins.host import process_count
from shared.plugins.manifest.permissions import Limits

PATH = "/usr/local/bin:/usr/bin:/bin"
EXEC_COMMAND = Path(__file__).parents[1] / "child" / "exec_command.py"
LARGEST = 1024 * 1024
# Processes of one command. RLIMIT_NPROC does not limit root, nor a command on a machine whose user has many others.
MAX_PROCESSES = 64
# Seconds between two counts.
COUNT_SECONDS = 0.05


def run(words: tuple[str, ...], stdin: bytes, limits: Limits, seconds: float) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr.

    Raises ShellDenied for a missing program and for too many processes, and TimeoutError.
    """
    program = shutil.which(words[0], path=PATH)
    if program is None:
        raise ShellDenied(words, f"is not on this machine: {words[0]!r} is not in {PATH}")
    with ExitStack() as closing:
        folder = closing.enter_context(tempfile.TemporaryDirectory(prefix="plugin-"))
        # Files, whose size the kernel limits; endless output into a pipe would fill the memory of the host.
        stdin_file, out, err = (closing.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        stdin_file.write(stdin)
        stdin_file.seek(0)
        tasks = process_count.tasks_of(os.getuid()) + MAX_PROCESSES
        numbers = (limits.memory_mb, -(-limits.cpu_ms // 1000))
        settings = [str(os.getpid()), str(tasks), folder, *map(str, numbers)]
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(EXEC_COMMAND), *settings, program, *words],
            stdin=stdin_file,
            stdout=out,
            stderr=err,
            cwd=folder,
            env={"PATH": PATH, "HOME": folder, "TMPDIR": folder, "LANG": "C.UTF-8"},
            start_new_session=True,
        )
        try:
            _wait(process, words[0], seconds)
        finally:
            # Including processes that it started and left running: none can leave the group.
            _kill_group(process)
        return process.returncode, _read_start(out), _read_start(err)


def _wait(process: subprocess.Popen[bytes], program: str, seconds: float) -> None:
    """Wait for the end of a command. Raises TimeoutError and ShellDenied."""
    ends = time.monotonic() + max(COUNT_SECONDS, seconds)
    while (left := ends - time.monotonic()) > 0:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=min(left, COUNT_SECONDS))
            return
        # A session of its own, with its process id.
        if process_count.in_session(process.pid) > MAX_PROCESSES:
            raise ShellDenied(program, f"has more than {MAX_PROCESSES} processes")
    raise TimeoutError(f"{program} did not end in {seconds:.1f} s")


def _read_start(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    return stream.read(LARGEST)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

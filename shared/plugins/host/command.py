"""Run an allowed command without shell, environment and network."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from shared.plugins.denied import ShellDenied
from shared.plugins.manifest.permissions import Limits

PATH = "/usr/local/bin:/usr/bin:/bin"
EXEC_COMMAND = Path(__file__).parents[1] / "child" / "exec_command.py"
LARGEST = 1024 * 1024


def run(words: tuple[str, ...], stdin: bytes, limits: Limits, seconds: float) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr.

    Raises ShellDenied for a missing program and TimeoutError.
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
        settings = [folder, str(limits.memory_mb), str(-(-limits.cpu_ms // 1000))]
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
            process.wait(timeout=max(0.05, seconds))
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{words[0]} did not end in {seconds:.1f} s") from None
        finally:
            # Including processes that it started and left running.
            _kill_group(process)
        return process.returncode, _read_start(out), _read_start(err)


def _read_start(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    return stream.read(LARGEST)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

"""A command that a manifest allows, run on the plugin's behalf: without a shell, an environment, a network."""

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
STARTER = Path(__file__).parents[1] / "child" / "exec_command.py"
LARGEST = 1024 * 1024


def run(words: tuple[str, ...], stdin: bytes, limits: Limits, seconds: float) -> tuple[int, bytes, bytes]:
    """Exit code, and what it said on stdout and stderr. Raises ShellDenied where there is no such program."""
    program = shutil.which(words[0], path=PATH)
    if program is None:
        raise ShellDenied(words, f"is not on this machine: {words[0]!r} is not in {PATH}")
    with ExitStack() as closing:
        folder = closing.enter_context(tempfile.TemporaryDirectory(prefix="plugin-"))
        # Files, whose size the kernel limits: what is said without end into a pipe would be ours to keep.
        given, out, err = (closing.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        given.write(stdin)
        given.seek(0)
        settings = [folder, str(limits.memory_mb), str(-(-limits.cpu_ms // 1000))]
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(STARTER), *settings, program, *words],
            stdin=given,
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
            # Also what it started and left behind.
            _end(process)
        return process.returncode, _first(out), _first(err)


def _first(said: IO[bytes]) -> bytes:
    said.seek(0)
    return said.read(LARGEST)


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

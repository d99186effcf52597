"""Simulate older kernels: a filter answers some calls of this kernel as an older one would."""

from __future__ import annotations

import errno
import platform
import textwrap
from pathlib import Path

from shared.plugins.child.seccomp import (
    ALLOW,
    ARCHITECTURES,
    ARGUMENT,
    EQUAL,
    LOAD,
    NUMBER,
    PR_SET_SECCOMP,
    REFUSE,
    RETURN,
    Step,
    assembly,
)
from shared.plugins.host.sandbox import BOOT

LANDLOCK, SECCOMP = "landlock", "seccomp"
CALLS = {"landlock_create_ruleset": (444, 444), "seccomp": (317, 277), "prctl": (157, 167)}


def boot(folder: Path, *lacks: str, landlock: int | None = None, of: Path = BOOT) -> Path:
    """Write a `boot.py` that simulates a kernel without `lacks`, and with this version of Landlock.

    of: the script that it runs.
    """
    path = folder / "boot.py"
    run = f"runpy.run_path({str(of)!r}, run_name='__main__')"
    path.write_text("\n".join((front(*lacks, landlock=landlock), "import runpy", run)))
    return path


def front(*lacks: str, landlock: int | None = None) -> str:
    """Source that simulates the kernel in the process that runs it."""
    program, older = _answers(*lacks), ""
    if landlock is not None:
        older = f"""
        from shared.plugins.child import landlock
        landlock.version = lambda: {landlock}
        """
    return textwrap.dedent(
        f"""
        import ctypes, struct, sys
        program = {program!r}
        code = ctypes.create_string_buffer(program, len(program))
        library = ctypes.CDLL(None)
        assert library.prctl(38, 1, 0, 0, 0) == 0
        filter_program = struct.pack("HL", len(program) // 8, ctypes.addressof(code))
        assert library.prctl(22, 2, filter_program, 0, 0) == 0
        sys.path.insert(0, {str(BOOT.parents[3])!r})
        {older}
        sys.path.pop(0)
        """
    )


def _answers(*lacks: str) -> bytes:
    column = ARCHITECTURES[platform.machine()][1]
    numbers = {name: pair[column] for name, pair in CALLS.items()}
    steps: list[Step] = [(LOAD, NUMBER, None, None)]
    if LANDLOCK in lacks:
        steps.append((EQUAL, numbers["landlock_create_ruleset"], "absent", None))
    if SECCOMP in lacks:
        steps += [(EQUAL, numbers["seccomp"], "absent", None), (EQUAL, numbers["prctl"], "filter", None)]
    steps.append((RETURN, ALLOW, None, None))
    return assembly(
        steps,
        {
            "filter": [(LOAD, ARGUMENT[0], None, None), (EQUAL, PR_SET_SECCOMP, "invalid", "allow")],
            "absent": [(RETURN, REFUSE | errno.ENOSYS, None, None)],
            "invalid": [(RETURN, REFUSE | errno.EINVAL, None, None)],
            "allow": [(RETURN, ALLOW, None, None)],
        },
    )

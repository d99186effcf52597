"""The filter program, interpreted as by the kernel, for both architectures."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from shared.plugins.child import seccomp

X86, ARM = seccomp.ARCHITECTURES["x86_64"], seccomp.ARCHITECTURES["aarch64"]
PID = 4711
ALLOWED, DENIED, ABSENT = 0, errno.EPERM, errno.ENOSYS


def answer(machine: tuple[int, int], number: int, *arguments: int, on: int | None = None, program: bytes = b"") -> int:
    """The error number of a call, 0 if it is allowed. on: the architecture of the call."""
    return interpreted(program or seccomp.assembled(*machine, PID), on or machine[0], number, *arguments)


def command(machine: tuple[int, int], name: str, *arguments: int, scoped: bool = True) -> int:
    """The error number of a command's call by name."""
    program = seccomp.assembled_command(*machine, scoped=scoped)
    others = {"tgkill": seccomp.TGKILL, "fcntl": seccomp.FCNTL, "ioctl": seccomp.IOCTL, "socket": seccomp.SOCKET}
    number = others[name][machine[1]] if name in others else numbers(machine)[name]
    return interpreted(program, machine[0], number, *arguments)


def numbers(machine: tuple[int, int]) -> dict[str, int]:
    rows = [entry.split() for entry in seccomp.DENIED.replace("\n", " ").split(";") if entry.strip()]
    return {row[0]: int(row[1 + machine[1]]) for row in rows if row[1 + machine[1]] != "-"}


def interpreted(assembled: bytes, architecture: int, number: int, *arguments: int) -> int:
    program = list(struct.iter_unpack("HBBI", assembled))
    padded = (*arguments, *[0] * 6)[:6]
    data = struct.pack("=IIQ6Q", number, architecture, 0, *padded)
    at = held = 0
    while True:
        code, yes, no, value = program[at]
        at += 1
        if code == seccomp.LOAD:
            [held] = struct.unpack_from("=I", data, value)
        elif code == seccomp.RETURN:
            return 0 if value == seccomp.ALLOW else value & 0xFFFF
        else:
            met = {seccomp.EQUAL: held == value, seccomp.AT_LEAST: held >= value, seccomp.ANY_BIT: bool(held & value)}
            at += yes if met[code] else no


@pytest.mark.parametrize("machine", [X86, ARM])
def test_each_call_that_is_named_is_denied_to_a_plugin(machine: tuple[int, int]) -> None:
    calls = seccomp.denied(machine[1])
    assert len(calls) > 140
    assert {answer(machine, number, 1, 2, 3) for number in calls} == {DENIED}


@pytest.mark.parametrize("machine", [X86, ARM])
def test_a_command_may_start_others_and_change_files_and_nothing_more(machine: tuple[int, int]) -> None:
    by_argument = {*seccomp.SELF_ONLY, *seccomp.SIGNALS, "setpriority", "prctl"}
    assert not by_argument & seccomp.COMMANDS
    for name in numbers(machine):
        if name not in by_argument:
            assert command(machine, name, 1, 2) == (ALLOWED if name in seccomp.COMMANDS else DENIED), name
    assert command(machine, "socket", 2, 1) == DENIED


@pytest.mark.parametrize("machine", [X86, ARM])
@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("prlimit64", (0, 7), ALLOWED),
        ("prlimit64", (PID, 7), DENIED),
        ("sched_setaffinity", (0, 8), ALLOWED),
        ("sched_setaffinity", (PID, 8), DENIED),
        ("setpriority", (0, 0, 5), ALLOWED),
        ("setpriority", (0, PID, 5), DENIED),
        ("setpriority", (1, 0, 5), DENIED),
        ("setpriority", (2, 0, 5), DENIED),
        ("prctl", (15, 1), ALLOWED),
        ("prctl", (1, 0), DENIED),
        ("fcntl", (3, 2), ALLOWED),
        *(("fcntl", (3, what), DENIED) for what in seccomp.CONTROLS),
        *(("ioctl", (3, what), DENIED) for what in seccomp.DEVICES),
        ("setsid", (), DENIED),
        ("setpgid", (0, 0), DENIED),
        ("sync", (), DENIED),
        ("mlockall", (3,), DENIED),
        ("pidfd_open", (PID, 0), DENIED),
    ],
)
def test_a_command_affects_no_process_but_its_own(
    machine: tuple[int, int], name: str, arguments: tuple[int, ...], told: int
) -> None:
    assert command(machine, name, *arguments) == told


@pytest.mark.parametrize("machine", [X86, ARM])
def test_a_command_signals_others_only_where_landlock_limits_its_signals(machine: tuple[int, int]) -> None:
    for name in ("kill", "tkill", "tgkill"):
        assert command(machine, name, PID, PID, 9, scoped=True) == ALLOWED
        assert command(machine, name, PID, PID, 9, scoped=False) == DENIED
    # Its own group, which is killed at its end anyway.
    assert command(machine, "kill", 0, 15, scoped=False) == ALLOWED
    assert command(machine, "kill", 0xFFFFFFFF, 15, scoped=False) == DENIED


@pytest.mark.parametrize(
    ("machine", "number", "arguments", "told"),
    [
        (X86, 0, (), ALLOWED),
        (X86, 0x40000000, (), DENIED),
        (X86, 56, (0x10F00,), ALLOWED),
        (ARM, 220, (0x10F00,), ALLOWED),
        (X86, 56, (17,), DENIED),
        (ARM, 220, (17,), DENIED),
        (X86, 435, (), ABSENT),
        (ARM, 435, (), ABSENT),
        (X86, 234, (PID, PID, 6), ALLOWED),
        (X86, 234, (PID - 1, PID, 9), DENIED),
        (ARM, 131, (1, PID, 9), DENIED),
        (X86, 257, (-100 & 0xFFFFFFFF, 0, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY), ALLOWED),
        (X86, 2, (0, os.O_RDONLY), ALLOWED),
        *((X86, 257, (0, 0, flag), DENIED) for flag in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC)),
        *((X86, 2, (0, flag), DENIED) for flag in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC)),
        (ARM, 56, (0, 0, os.O_RDWR), DENIED),
        (X86, 41, (1, 1, 0), DENIED),
        (ARM, 198, (1, 1, 0), DENIED),
        (X86, 53, (1, 1 | 0o2000000), ALLOWED),
        (ARM, 199, (1, 1), ALLOWED),
        *((X86, 53, (1, kind), DENIED) for kind in (2, 3, 5)),
        (X86, 53, (30, 1), DENIED),
        (X86, 72, (3, 1), ALLOWED),
        *((X86, 72, (3, what), DENIED) for what in (8, 10, 15, 1024, 1026)),
        *((ARM, 25, (3, what), DENIED) for what in (8, 10, 15, 1024, 1026)),
        (X86, 16, (3, 0x5413), ALLOWED),
        *((X86, 16, (3, what), DENIED) for what in (0x8901, 0x8902, 0x5412, 0x541C)),
        *((ARM, 29, (3, what), DENIED) for what in (0x8901, 0x8902, 0x5412, 0x541C)),
        (X86, 462, (), ALLOWED),
        (X86, 463, (), ABSENT),
        (ARM, 999, (), ABSENT),
    ],
)
def test_calls_are_denied_by_their_arguments(
    machine: tuple[int, int], number: int, arguments: tuple[int, ...], told: int
) -> None:
    assert answer(machine, number, *arguments) == told


def test_a_call_of_another_machine_is_denied() -> None:
    assert answer(X86, 39, on=0x40000003) == DENIED
    assert answer(ARM, 172, on=0x40000028) == DENIED

"""Seccomp: a permanent filter of this process's system calls.

No other programs, no network, no changes of files.

A denied call fails with EPERM. The list names denied calls instead of allowed ones, since numeric libraries use more
calls than a list could contain. Numbers: asm/unistd_64.h of x86-64, asm-generic/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable, Mapping, Sequence

# name, number on x86-64, number on arm64
DENIED = """
bind 49 200; connect 42 203; listen 50 201; accept 43 202; accept4 288 242; fork 57 -; vfork 58 -; execve 59 221;
execveat 322 281; ptrace 101 117; process_vm_readv 310 270; process_vm_writev 311 271; kill 62 129; tkill 200 130;
rt_sigqueueinfo 129 138; rt_tgsigqueueinfo 297 240; pidfd_open 434 434; pidfd_getfd 438 438;
pidfd_send_signal 424 424; kcmp 312 272; process_madvise 440 440; setpgid 109 154; setsid 112 157;
setpriority 141 140; sched_setaffinity 203 122; sched_setscheduler 144 119; sched_setparam 142 118;
sched_setattr 314 274; ioprio_set 251 30; prlimit64 302 261; setrlimit 160 164; personality 135 92; unshare 272 97;
setns 308 268; chroot 161 51; pivot_root 155 41; mount 165 40; umount2 166 39; move_mount 429 429; open_tree 428 428;
fsopen 430 430; fsmount 432 432; fsconfig 431 431; fspick 433 433; mount_setattr 442 442; swapon 167 224;
swapoff 168 225; reboot 169 142; sethostname 170 161; setdomainname 171 162; settimeofday 164 170;
clock_settime 227 112; adjtimex 159 171; clock_adjtime 305 266; capset 126 91; setuid 105 146; setgid 106 144;
setreuid 113 145; setregid 114 143; setresuid 117 147; setresgid 119 149; setgroups 116 159; setfsuid 122 151;
setfsgid 123 152; bpf 321 280; perf_event_open 298 241; userfaultfd 323 282; io_uring_setup 425 425;
io_uring_enter 426 426; io_uring_register 427 427; keyctl 250 219; add_key 248 217; request_key 249 218;
init_module 175 105; finit_module 313 273; delete_module 176 106; kexec_load 246 104; kexec_file_load 320 294;
iopl 172 -; ioperm 173 -; quotactl 179 60; acct 163 89; syslog 103 116; modify_ldt 154 -; fanotify_init 300 262;
fanotify_mark 301 263; inotify_add_watch 254 27; open_by_handle_at 304 265; name_to_handle_at 303 264;
memfd_create 319 279; memfd_secret 447 447; shmget 29 194; shmat 30 196; shmctl 31 195; msgget 68 186; msgsnd 69 189;
msgrcv 70 188; msgctl 71 187; semget 64 190; semop 65 193; semtimedop 220 192; semctl 66 191; mq_open 240 180;
mq_unlink 241 181; truncate 76 45; rename 82 -; renameat 264 38; renameat2 316 276; link 86 -; linkat 265 37;
symlink 88 -; symlinkat 266 36; unlink 87 -; unlinkat 263 35; mkdir 83 -; mkdirat 258 34; rmdir 84 -; mknod 133 -;
mknodat 259 33; chmod 90 -; fchmod 91 52; fchmodat 268 53; chown 92 -; fchown 93 55; lchown 94 -; fchownat 260 54;
utime 132 -; utimes 235 -; utimensat 280 88; futimesat 261 -; setxattr 188 5; lsetxattr 189 6; fsetxattr 190 7;
removexattr 197 14; lremovexattr 198 15; fremovexattr 199 16; creat 85 -; chdir 80 49; fchdir 81 50; openat2 437 437;
landlock_create_ruleset 444 444; prctl 157 167; vhangup 153 58; nfsservctl 180 42; lookup_dcookie 212 18;
migrate_pages 256 238; move_pages 279 239; mbind 237 235; set_mempolicy 238 237; process_mrelease 448 448;
sendmmsg 307 269; fchmodat2 452 452; quotactl_fd 443 443; statmount 457 457; listmount 458 458;
lsm_set_self_attr 460 460; sync 162 81; syncfs 306 267; mlock 149 228; mlock2 325 284; mlockall 151 230;
set_mempolicy_home_node 450 450; uselib 134 -; vserver 236 -; _sysctl 156 -
"""
# Calls that commands of a manifest need: they start other programs, and change files of their own folder.
COMMAND_CALLS = """
fork vfork execve execveat setrlimit truncate rename renameat renameat2 link linkat symlink symlinkat unlink
unlinkat mkdir mkdirat rmdir chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes utimensat
futimesat creat chdir fchdir openat2 memfd_create inotify_add_watch setuid setgid setreuid setregid setresuid
setresgid setgroups
"""
COMMANDS = frozenset(COMMAND_CALLS.split())
# Calls whose first argument names a process: commands may call them for themselves, 0. The host has their user.
SELF_ONLY = ("prlimit64", "sched_setaffinity")
# Calls that send signals. Without Landlock's scope a command may signal its own process group only.
SIGNALS = ("kill", "tkill")
ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1), "arm64": (0xC00000B7, 1)}
SOCKET, CLONE, CLONE3, TGKILL, OPENAT, OPEN = (41, 198), (56, 220), (435, 435), (234, 131), (257, 56), (2, None)
SOCKETPAIR, FCNTL, IOCTL = (53, 199), (72, 25), (16, 29)
# The first number without a call when this list was written: setxattrat.
UNKNOWN = 463
UNIX = 1
# fcntl: F_SETOWN, F_SETSIG, F_SETOWN_EX send any signal to any process of the same user when a socket becomes readable;
# F_SETLEASE blocks the opening of a file by others, F_NOTIFY watches a folder.
CONTROLS = (8, 10, 15, 1024, 1026)
# ioctl: FIOSETOWN and SIOCSPGRP, equivalent to F_SETOWN; TIOCSTI and TIOCLINUX, which type into a terminal.
DEVICES = (0x8901, 0x8902, 0x5412, 0x541C)
# Every kind of socket but SOCK_STREAM has one of these bits.
NO_STREAM = 0b1110
# Marks the second system call table of x86-64, with other numbers for the same calls.
X32 = 0x40000000
CLONE_THREAD = 0x10000
CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_TMPFILE", 0) & ~os.O_DIRECTORY

PR_SET_PDEATHSIG, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 1, 22, 2
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
# In struct seccomp_data: the call's number, the machine, the low halves of its arguments.
NUMBER, MACHINE, ARGUMENT = 0, 4, (16, 24, 32, 40)

Step = tuple[int, int, str | None, str | None]
PASS: Step = (RETURN, ALLOW, None, None)


def restrict(*, command: bool = False, scoped: bool = False) -> str:
    """Install the filter for this process.

    Returns the reason if it failed, else "".

    command: the filter for commands, which may start programs and change files within their other restrictions.
    scoped: whether Landlock limits a command's signals to its own processes.
    """
    machine = platform.machine()
    if machine not in ARCHITECTURES or not hasattr(os, "O_TMPFILE"):
        return f"seccomp: there is no filter for {machine}"
    architecture = ARCHITECTURES[machine]
    program = assembled_command(*architecture, scoped=scoped) if command else assembled(*architecture, os.getpid())
    code = ctypes.create_string_buffer(program, len(program))
    filter_program = struct.pack("HL", len(program) // 8, ctypes.addressof(code))
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_program, 0, 0):
        return f"seccomp: {os.strerror(ctypes.get_errno())}"
    return ""


def assembled(machine: int, column: int, pid: int) -> bytes:
    """The filter program of a plugin's process, an array of struct sock_filter."""
    steps = _first(machine, column, denied(column))
    # glibc calls clone3 first, whose flags a filter cannot read, and falls back to clone.
    steps.append((EQUAL, CLONE3[column], "absent", None))
    by_argument = {
        "clone": CLONE,
        "tgkill": TGKILL,
        "openat": OPENAT,
        "open": OPEN,
        "pair": SOCKETPAIR,
        "control": FCNTL,
        "device": IOCTL,
    }
    steps += [(EQUAL, number, name, None) for name, pair in by_argument.items() if (number := pair[column]) is not None]
    steps.append(PASS)
    blocks: dict[str, list[Step]] = {
        "clone": [(LOAD, ARGUMENT[0], None, None), (ANY_BIT, CLONE_THREAD, "allow", "deny")],
        # A process may abort itself.
        "tgkill": [(LOAD, ARGUMENT[0], None, None), (EQUAL, pid, "allow", "deny")],
        "openat": [(LOAD, ARGUMENT[2], None, None), (ANY_BIT, CHANGING, "deny", "allow")],
        "open": [(LOAD, ARGUMENT[1], None, None), (ANY_BIT, CHANGING, "deny", "allow")],
        # A datagram socket could send to any socket with a path.
        "pair": [
            *((LOAD, ARGUMENT[0], None, None), (EQUAL, UNIX, None, "deny")),
            *((LOAD, ARGUMENT[1], None, None), (ANY_BIT, NO_STREAM, "deny", "allow")),
        ],
        **_shared_blocks(),
    }
    return assembly(steps, blocks)


def assembled_command(machine: int, column: int, *, scoped: bool) -> bytes:
    """The filter program of a command.

    It changes no process but its own, and cannot leave its process group.
    """
    signals = () if scoped else SIGNALS
    calls = _numbers(column)
    by_argument = {
        **dict.fromkeys(SELF_ONLY, "own"),
        "setpriority": "priority",
        "prctl": "process",
        **dict.fromkeys(signals, "own"),
    }
    passed = {*COMMANDS, *by_argument, *SIGNALS}
    steps = _first(machine, column, [number for name, number in calls.items() if name not in passed])
    steps += [(EQUAL, calls[name], block, None) for name, block in by_argument.items()]
    if not scoped:
        steps.append((EQUAL, TGKILL[column], "deny", None))
    steps += [(EQUAL, FCNTL[column], "control", None), (EQUAL, IOCTL[column], "device", None), PASS]
    own: list[Step] = [(LOAD, ARGUMENT[0], None, None), (EQUAL, 0, "allow", "deny")]
    blocks: dict[str, list[Step]] = {
        "own": own,
        # PRIO_PROCESS of itself.
        "priority": [
            (LOAD, ARGUMENT[0], None, None),
            (EQUAL, 0, None, "deny"),
            (LOAD, ARGUMENT[1], None, None),
            *own[1:],
        ],
        # It ends with the host.
        "process": [(LOAD, ARGUMENT[0], None, None), (EQUAL, PR_SET_PDEATHSIG, "deny", "allow")],
        **_shared_blocks(),
    }
    return assembly(steps, blocks)


def _first(machine: int, column: int, numbers: Iterable[int]) -> list[Step]:
    """The first steps of both filters.

    They check the architecture, unknown calls, and calls that are always denied.
    """
    steps: list[Step] = [(LOAD, MACHINE, None, None), (EQUAL, machine, None, "deny"), (LOAD, NUMBER, None, None)]
    if column == 0:
        steps.append((AT_LEAST, X32, "deny", None))
    # Calls of newer kernels fail with ENOSYS.
    steps.append((AT_LEAST, UNKNOWN, "absent", None))
    return steps + [(EQUAL, number, "deny", None) for number in (SOCKET[column], *numbers)]


def _shared_blocks() -> dict[str, list[Step]]:
    return {
        "control": [(LOAD, ARGUMENT[1], None, None), *((EQUAL, what, "deny", None) for what in CONTROLS), PASS],
        "device": [(LOAD, ARGUMENT[1], None, None), *((EQUAL, what, "deny", None) for what in DEVICES), PASS],
        "absent": [(RETURN, REFUSE | errno.ENOSYS, None, None)],
        "deny": [(RETURN, REFUSE | errno.EPERM, None, None)],
        "allow": [PASS],
    }


def assembly(steps: Iterable[Step], blocks: Mapping[str, Sequence[Step]]) -> bytes:
    """Assemble steps and blocks; the names of blocks are jump labels."""
    steps = list(steps)
    at: dict[str, int] = {}
    for name, block in blocks.items():
        at[name] = len(steps)
        steps += block
    return b"".join(
        struct.pack("HBBI", code, _jump(at, number, yes), _jump(at, number, no), value)
        for number, (code, value, yes, no) in enumerate(steps)
    )


def denied(column: int) -> list[int]:
    """Numbers of the calls that a plugin is denied."""
    return list(_numbers(column).values())


def _numbers(column: int) -> dict[str, int]:
    rows = [entry.split() for entry in DENIED.replace("\n", " ").split(";") if entry.strip()]
    return {row[0]: int(row[1 + column]) for row in rows if row[1 + column] != "-"}


def _jump(at: dict[str, int], number: int, label: str | None) -> int:
    return at[label] - number - 1 if label else 0

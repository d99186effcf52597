"""Escape attempts below Python: system calls by number.

Available names: those of `escapes`, and of `HEAD`; `raw(number on x86-64, number on arm64, arguments...)` is the result
of a system call, and raises OSError where it failed. Where a number is not enough, the attempt returns what it
obtained.
"""

from __future__ import annotations

from shared.plugins.child import seccomp

# Returned for a call that was not refused, with any result.
CALLS = (
    ("ptrace, of the host", "101, 117, 0x4206, PID, 0, 0"),
    ("process_vm_readv", "310, 270, PID, 0, 0, 0, 0, 0"),
    ("process_vm_writev", "311, 271, PID, 0, 0, 0, 0, 0"),
    ("process_madvise", "440, 440, -1, 0, 0, 0, 0"),
    ("pidfd_open", "434, 434, PID, 0"),
    ("kcmp", "312, 272, PID, PID, 5, 0, 0"),
    ("kill of everybody", "62, 129, -1, 0"),
    ("kill of the host", "62, 129, PID, 0"),
    ("tkill", "200, 130, PID, 0"),
    ("tgkill", "234, 131, PID, PID, 0"),
    ("io_uring_setup", "425, 425, 4, buffer"),
    ("memfd_create", "319, 279, b'x', 0"),
    ("memfd_secret", "447, 447, 0"),
    ("userfaultfd", "323, 282, 0"),
    ("unshare", "272, 97, 0x10000000"),
    ("open_tree", "428, 428, -100, b'/', 1"),
    ("fsopen", "430, 430, b'tmpfs', 0"),
    ("perf_event_open", "298, 241, buffer, 0, -1, -1, 0"),
    ("add_key", "248, 217, b'user', b'x', b'x', 1, -2"),
    ("keyctl", "250, 219, 0, -3, 1"),
    ("inotify_add_watch", "254, 27, raw(294, 26, 0), SECRET.encode(), 2"),
    ("fanotify_init", "300, 262, 0, 0"),
    ("shmget", "29, 194, 0, 4096, 0o1600"),
    ("msgget", "68, 186, 0, 0o1600"),
    ("semget", "64, 190, 0, 1, 0o1600"),
    ("mq_open", "240, 180, b'nightshift', 0o100, 0o600, 0"),
    ("open_by_handle_at", "304, 265, -100, buffer, 0"),
    ("name_to_handle_at", "303, 264, -100, SECRET.encode(), buffer, buffer, 0"),
    ("prctl", "157, 167, 4, 1, 0, 0, 0"),
    ("personality", "135, 92, 0"),
    ("sched_setaffinity", "203, 122, 0, 128, buffer"),
    ("setpgid", "109, 154, 0, raw(111, 155, 0)"),
    ("chmod of a secret", "268, 53, -100, SECRET.encode(), 0o777"),
    ("utimes of a secret", "280, 88, -100, SECRET.encode(), 0, 0"),
    ("setxattr of a secret", "188, 5, SECRET.encode(), b'user.x', b'1', 1, 0"),
    ("socket of netlink", "41, 198, 16, 3, 0"),
    ("socket of the crypto kind", "41, 198, 38, 5, 0"),
    ("socketpair of another kind", "53, 199, 30, 1, 0, buffer"),
    ("clone3", "435, 435, buffer, 88"),
    ("a call that is newer than the list", "469, 469, -100, SECRET.encode(), buffer, 0, 0"),
    ("the same by x86's other table", "0x4000003e, 129, PID, 0"),
    ("a file by x86's other table", "0x40000002, 280, SECRET.encode(), 0"),
)
OWN = "import fcntl, socket, struct; a, b = socket.socketpair(); "
BY_NUMBER = (
    *(f"return raw({arguments}) >= 0 and {what!r}" for what, arguments in CALLS),
    "pid = raw(56, 220, 17, 0, 0, 0, 0); pid or os._exit(0); return max(pid, 0)",
    "pid = raw(57, 220, 17, 0, 0, 0, 0); pid or os._exit(0); return max(pid, 0)",
    OWN + "fcntl.fcntl(a, 8, PID); return 'the host is signalled when it can be read'",
    OWN + "fcntl.fcntl(a, 10, 9); return 'and by SIGKILL'",
    OWN + "fcntl.fcntl(a, 15, struct.pack('ii', 1, PID)); return 'owned'",
    OWN + "fcntl.ioctl(a, 0x8901, struct.pack('i', PID)); return 'owned'",
    OWN + "fcntl.ioctl(a, 0x8902, struct.pack('i', PID)); return 'owned'",
    "import fcntl; fcntl.fcntl(os.open(os.__file__, os.O_RDONLY), 1024, 0); return 'leased'",
    "import fcntl; fcntl.fcntl(os.open(os.path.dirname(os.__file__), os.O_RDONLY), 1026, 1); return 'watched'",
)
# They obtain something where nothing refuses them.
OBTAINING = BY_NUMBER[len(CALLS) :]
# Every call of the filter's list, with arguments that do nothing where the call is not refused.
NAMED = tuple(
    f"return raw({x86}, {arm if arm != '-' else x86}, -1, -1, -1, -1, -1) >= 0 and {name!r}"
    for name, x86, arm in (entry.split() for entry in seccomp.DENIED.replace("\n", " ").split(";") if entry.strip())
)
HEAD = '''
def raw(on_x86, on_arm, *arguments):
    import ctypes, platform
    global buffer
    call = ctypes.CDLL(None, use_errno=True).syscall
    result = call(on_x86 if platform.machine() == 'x86_64' else on_arm, *arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), 'refused')
    return result

buffer = bytes(128)


class Anything(str):
    """A path that compares equal to everything."""

    def __eq__(self, other):
        return True

    def __hash__(self):
        return hash(__file__)
'''
ALL = (*BY_NUMBER, *NAMED)

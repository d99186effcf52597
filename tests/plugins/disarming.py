"""Escape attempts that disarm the audit hook first, each with a proof that it is disarmed.

`disarmed(event, arguments...)` raises StillArmed where the hook still refuses that event. The kernel must then refuse
the access; where it lacks Landlock or the filter, these attempts succeed.
"""

from __future__ import annotations

# Statements that disarm the hook for every event.
HOOK = "hook = sys.modules['shared.plugins.child.audit_hook']; "
TABLES = "import gc; tables = [o for o in gc.get_objects() if isinstance(o, dict) and type(o).__name__ == 'Checks']; "
WATCH = (
    "import gc; watch, = [o for o in gc.get_objects() if getattr(o, '__qualname__', '') == 'install.<locals>.watch']; "
)
CELLS = WATCH + "cells = dict(zip(watch.__code__.co_freevars, watch.__closure__)); "
DISARM = (
    HOOK + "hook.KINDS = (); " + TABLES + "[o.update(dict.fromkeys(o, None)) for o in tables]; ",
    TABLES + "type(tables[0]).__getitem__ = lambda *_: None; ",
    TABLES + "type(tables[0]).__missing__ = lambda *_: None; [o.clear() for o in tables]; ",
    CELLS + "cells['active'].cell_contents = lambda: False; ",
    CELLS + "cells['checks'].cell_contents = {**dict.fromkeys(cells['checks'].cell_contents), 'socket.connect': None}\n"
    "    cells['checks'].cell_contents = type('All', (dict,), {'__missing__': lambda *_: None})(); ",
    HOOK + "hook._check_by_prefix = lambda _: None; " + TABLES + "[o.clear() for o in tables]; ",
)
PROOF = "[disarmed(*event) for event in (('open', SECRET, 'r', 0), ('os.listdir', OUT), ('os.system', b'id'))]; "
ACCESSES = (
    "return open(SECRET).read()",
    "return os.read(os.open(SECRET, os.O_RDONLY), 99)",
    "return os.listdir(OUT)",
    "open(OUT + '/made', 'w').write('x'); return 'written'",
    "os.unlink(SECRET); return 'deleted'",
    "return os.posix_spawn('/bin/true', ['true'], {})",
    "import _socket; s = _socket.socket(2, 1, 0); s.connect(('127.0.0.1', TCP)); return 'connected'",
    "return open(f'/proc/{PID}/environ').read()",
    "os.kill(PID, 0); return 'signalled'",
    "return os.read(os.open('secret', 0, dir_fd=os.open(OUT, os.O_PATH)), 99)",
    "os.truncate(SECRET, 0); return 'emptied'",
    "os.symlink(SECRET, OUT + '/made'); return 'linked'",
)
# Statements that disarm it for paths only.
BY_PATH = (
    "import posixpath; os.path.realpath = posixpath._joinrealpath = lambda *a, **k: os.__file__; ",
    HOOK + "hook._exact = lambda _: os.__file__; ",
    HOOK + "hook.FsDenied = lambda *_: None; ",
    HOOK + "hook.os = type('Os', (), {'path': type('Path', (), {'realpath': staticmethod(lambda _: os.__file__)}), "
    "'fsdecode': os.fsdecode, 'sep': '/'}); ",
)
PATH_PROOF = "disarmed('open', SECRET, 'r', 0); disarmed('os.listdir', OUT); "
PATH_ACCESSES = ("return open(SECRET).read()", "return os.listdir(OUT)", "return os.read(os.open(SECRET, 0), 9)")
# Statements that obtain a native interface.
NATIVE = (
    "import _imp, importlib.machinery as m; load = [c.cell_contents for c in _imp.create_dynamic.__closure__ "
    "if type(c.cell_contents).__name__ == 'builtin_function_or_method'][0]\n"
    "    native = load(m.PathFinder.find_spec('_ctypes')); assert native.dlopen; "
)
# They use the interface without and with the hook.
CALLS = (
    NATIVE + "return native.dlsym(native.dlopen(None, 2), 'open')",
    DISARM[3] + PROOF + NATIVE + "fork = native.dlsym(native.dlopen(None, 2), 'fork')\n"
    "    got = native.call_function(fork, ()); got or os._exit(0)\n    if got == -1: raise PermissionError\n"
    "    return got",
)
# By the way that they share: the attempts run in one process.
WAYS = (
    *(tuple(way + PROOF + access for access in ACCESSES) for way in DISARM),
    *(tuple(way + PATH_PROOF + access for access in PATH_ACCESSES) for way in BY_PATH),
    CALLS,
)
DISARMING = tuple(attempt for way in WAYS for attempt in way)
# They leave the hook as it is: it must refuse, with a denial.
FUTILE = (
    "sys.settrace(lambda *a: None); sys.setprofile(lambda *a: None); return open(SECRET).read()",
    "sys.addaudithook(lambda *a: None); return open(SECRET).read()",
    "f = sys._getframe(1).f_globals; f['open'] = None; del f['open']; return open(SECRET).read()",
    "import gc; gc.collect(); gc.disable(); return open(SECRET).read()",
    "sys.setrecursionlimit(10 ** 6); return open(SECRET).read()",
    "sys.modules.pop('shared.plugins.child.audit_hook'); return open(SECRET).read()",
    (
        "import threading; got = []; t = threading.Thread(target=lambda: got.append(open(SECRET).read())); t.start()\n"
        "    t.join(); return got or open(SECRET).read()"
    ),
    "import atexit, weakref; weakref.finalize(lambda: 0, open, SECRET)(); return open(SECRET).read()",
)
HEAD = """

class StillArmed(Exception):
    pass


def disarmed(event, *arguments):
    try:
        sys.audit(event, *arguments)
    except PermissionError as error:
        raise StillArmed(str(error)) from None
"""
ALL = (*DISARMING, *FUTILE)

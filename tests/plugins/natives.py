"""Escape attempts by native modules: those that are denied, under every name and by every loader, and files they open.

A module is attempted where this Python has it.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder

from shared.plugins.child.native_modules import DENIED

PRESENT = sorted(name for name in DENIED if name in sys.builtin_module_names or PathFinder.find_spec(name))
FILES = {name: spec.origin for name in PRESENT if (spec := PathFinder.find_spec(name)) and spec.has_location}
# Imported by libraries to expand `~`; the module is present, its functions are refused.
DATABASES = ("grp", "pwd", "spwd")
IMPORTED = [name for name in PRESENT if name not in (*DATABASES, "_posixsubprocess")]
LOADED = "import importlib.util as u, importlib.machinery as m, _imp; "

IMPORTS = (
    *(f"import {name}; return {name!r}" for name in IMPORTED),
    *(f"sys.modules.pop({name!r}, None); return __import__({name!r}).__name__" for name in PRESENT),
    *(f"import importlib; importlib.import_module({name!r}); return 'imported'" for name in IMPORTED),
)
LOADERS = (
    *(
        LOADED + f"return u.module_from_spec(u.spec_from_file_location({prefix + name!r}, {file!r})).__name__"
        for name, file in FILES.items()
        for prefix in ("", "x.")
    ),
    *(
        LOADED + f"return _imp.create_dynamic(m.ModuleSpec('x.{name}', None, origin={file!r})).__name__"
        for name, file in FILES.items()
    ),
    *(
        LOADED + f"return _imp.create_builtin(m.ModuleSpec({name!r}, None)).__name__"
        for name in PRESENT
        if name in sys.builtin_module_names
    ),
)
READS = (
    "import readline; readline.read_history_file(OUT + '/secret.py'); return readline.get_history_item(1)",
    "import readline; readline.read_init_file(OUT + '/secret'); return 'read'",
    "import pwd; return pwd.getpwall()",
    "import pwd; return pwd.getpwuid(0)",
    "import pwd; return pwd.getpwnam('root')",
    "import grp; return grp.getgrall()",
    "import grp; return grp.getgrgid(0)",
    "import grp; return grp.getgrnam('root')",
    "from pwd import getpwall; return getpwall()",
    "return os.getgrouplist('root', 0)",
    "import locale; return locale.bindtextdomain('x', OUT)",
    "import _locale; return _locale.bindtextdomain('x', OUT)",
    "import _locale; return _locale.dgettext('x', 'y')",
    (
        "import ssl; c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); c.load_verify_locations(OUT + '/ca.pem')\n"
        "    return len(c.get_ca_certs())"
    ),
    "import ssl; c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); c.load_verify_locations(capath=OUT); return 'loaded'",
    "import _ssl; c = _ssl._SSLContext(2); c.load_verify_locations(OUT + '/ca.pem'); return len(c.get_ca_certs())",
    "import ssl; return ssl.create_default_context(cafile=OUT + '/ca.pem').get_ca_certs()",
    "import ssl; c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); c.keylog_filename = OUT + '/made'; return 'made'",
    "return open(Lying(SECRET)).read()",
    "return os.read(os.open(Lying(SECRET), 0), 99)",
    "return os.listdir(Lying(OUT))",
    "return open(LyingBytes(SECRET.encode())).read()",
)
HEAD = '''

class Lying(str):
    """A path whose methods return those of another."""

    def partition(self, _):
        return os.__file__.partition("/")

    def startswith(self, *_):
        return True

    def __getitem__(self, _):
        return ""

    def split(self, *_):
        return os.__file__.split("/")


class LyingBytes(bytes):
    def decode(self, *_):
        return os.__file__
'''
ALL = tuple(dict.fromkeys((*IMPORTS, *LOADERS, *READS)))

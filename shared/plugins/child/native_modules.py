"""Classify native modules: allowed or denied in a plugin's process.

A native module calls the C library without audit events, unless it raises them itself. Allowed are those of the
standard library that open no file, start no process and reach no other interpreter, or that raise an event when they
do. Every other native module of the standard library is denied, also one of a later Python. Modules in Python are not
listed: they can do only what native ones do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

ALLOWED_NAMES = """
_abc _ast _asyncio _bisect _blake2 _bz2 _codecs _codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr
_codecs_tw _collections _contextvars _crypt _csv _datetime _decimal _elementtree _functools _hashlib _heapq _hmac
_imp _io _json _locale _lsprof _lzma _md5 _multibytecodec _opcode _operator _pickle _queue _random _scproxy _sha1
_sha2 _sha256 _sha3 _sha512 _signal _socket _sqlite3 _sre _ssl _stat _statistics _string _struct _suggestions
_symtable _sysconfig _thread _tokenize _tracemalloc _types _typing _uuid _warnings _weakref _zoneinfo _zstd array
atexit audioop binascii builtins cmath errno faulthandler fcntl gc itertools marshal math mmap posix pyexpat
resource select sys termios time unicodedata zlib
"""
ALLOWED = frozenset(ALLOWED_NAMES.split())
DENIED_NAMES = """
_ctypes _ctypes_test _curses _curses_panel _dbm _gdbm _interpchannels _interpqueues _interpreters _msi
_multiprocessing _overlapped _peg_parser _posixshmem _posixsubprocess _remote_debugging _testbuffer _testcapi
_testclinic _testclinic_limited _testexternalinspection _testimportmultiple _testinternalcapi _testlimitedcapi
_testmultiphase _testsinglephase _tkinter _winapi _wmi _xxinterpchannels _xxsubinterpreters _xxtestfuzz grp
msilib msvcrt nis nt ossaudiodev pwd readline spwd syslog winreg winsound xxlimited xxlimited_35 xxsubtype
"""
DENIED = frozenset(DENIED_NAMES.split())
# Libraries try to import these and expect ImportError elsewhere.
WINDOWS = frozenset(("_msi", "_overlapped", "_winapi", "_wmi", "msilib", "msvcrt", "nt", "winreg", "winsound"))
# Packages in Python whose purpose is a native interface, of the standard library and others.
DENIED_PACKAGES = frozenset(("ctypes", "cffi", "_cffi_backend"))
VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"
LIBRARY = tuple(
    f"{os.path.realpath(path)}{os.sep}"
    for path in {os.path.dirname(os.__file__), os.path.join(sys.base_exec_prefix, sys.platlibdir, VERSION)}  # noqa: PTH118, PTH120 - pathlib is slow to import
)


class ImportRules:
    """Which modules a plugin's process may load.

    packages: folders of installed packages, whose extensions are allowed. own: path prefix of the plugin's files, whose
    extensions are denied.
    """

    def __init__(self, packages: Iterable[str], own: str) -> None:
        self.packages = tuple(f"{os.path.realpath(path)}{os.sep}" for path in packages)
        self.own = os.path.realpath(own) + (os.sep if own.endswith(os.sep) else "") if own else ""

    def refuse(self, name: str, file: str = "") -> bool:
        """Whether this import would load a denied module.

        file: an extension's file, which initializes the module that is the last part of `name`.
        """
        top, last = name.partition(".")[0], name.rpartition(".")[2]
        if top in DENIED_PACKAGES or (top in DENIED and (top not in WINDOWS or sys.platform == "win32")):
            return True
        if not file:
            return top in sys.builtin_module_names and top not in ALLOWED
        real = os.path.realpath(file)
        stem = os.path.basename(real).partition(".")[0]  # noqa: PTH119 - as above
        if {last, stem} & (DENIED | DENIED_PACKAGES) or (self.own and real.startswith(self.own)):
            return True
        if real.startswith(self.packages):
            return False
        return not real.startswith(LIBRARY) or stem not in ALLOWED

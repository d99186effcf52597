"""The classification of native modules, by enumeration of this Python."""

from __future__ import annotations

import sys
import sysconfig
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from pathlib import Path

import pytest

from shared.plugins.child.native_modules import ALLOWED, DENIED, DENIED_PACKAGES, WINDOWS, ImportRules
from tests.plugins.conftest import Sandboxed

EXTENSIONS = Path(str(sysconfig.get_config_var("DESTSHARED")))
RULES = ImportRules([], "")


def names() -> set[str]:
    """All modules of this Python: named, built in, and found as extensions."""
    found = {
        path.name.partition(".")[0] for path in EXTENSIONS.iterdir() if path.name.endswith(tuple(EXTENSION_SUFFIXES))
    }
    return {*sys.stdlib_module_names, *sys.builtin_module_names, *found}


def in_python(name: str) -> bool:
    """Whether a module is written in Python, and so can do only what native modules do."""
    spec = PathFinder.find_spec(name)
    return name in ("_frozen_importlib", "_frozen_importlib_external") or bool(
        spec and (spec.submodule_search_locations is not None or str(spec.origin).endswith(".py"))
    )


def unclassified(modules: set[str]) -> set[str]:
    return {name for name in modules if name not in ALLOWED | DENIED and not in_python(name)}


def test_every_module_of_this_python_is_classified() -> None:
    assert len(names()) > 280
    assert unclassified(names()) == set()


def test_a_module_that_is_not_classified_fails_the_enumeration_and_is_denied() -> None:
    file = EXTENSIONS / "_unheard_of.so"
    assert unclassified({"_unheard_of"}) == {"_unheard_of"}
    assert RULES.refuse("_unheard_of", str(file))


def test_no_module_is_both_allowed_and_denied() -> None:
    assert not ALLOWED & DENIED
    assert not (ALLOWED | DENIED) & DENIED_PACKAGES
    assert WINDOWS < DENIED


@pytest.mark.parametrize("name", sorted(name for name in DENIED if name not in WINDOWS))
def test_a_denied_module_is_refused_under_each_name(name: str) -> None:
    file = str(EXTENSIONS / f"{name}.so")
    assert RULES.refuse(name)
    assert RULES.refuse(f"x.{name}", file)
    assert RULES.refuse("x", file)


def test_extensions_are_allowed_of_packages_and_denied_of_the_plugin(tmp_path: Path) -> None:
    rules = ImportRules([str(tmp_path)], str(tmp_path / "acme"))
    assert not rules.refuse("numbers_c.core", str(tmp_path / "numbers_c" / "core.so"))
    assert rules.refuse("acme.core", str(tmp_path / "acme" / "core.so"))
    assert rules.refuse("core", "/elsewhere/core.so")
    assert rules.refuse("numbers_c._ctypes", str(tmp_path / "numbers_c" / "_ctypes.so"))
    assert rules.refuse("cffi.api")
    assert not rules.refuse("json")


def test_no_denied_module_is_loaded_when_a_plugin_begins(sandboxed: Sandboxed) -> None:
    loaded = set(sandboxed("return sorted(name for name in sys.modules if sys.modules[name])").result)
    # Stubs, and a module whose only function is replaced.
    assert loaded & DENIED == {"grp", "pwd", "spwd", "_posixsubprocess"}
    assert not loaded & {"ctypes", "shared.plugins.child.landlock", "shared.plugins.child.seccomp"}


def test_each_allowed_module_can_be_imported_by_a_plugin(sandboxed: Sandboxed) -> None:
    present = sorted(name for name in ALLOWED if name in sys.builtin_module_names or PathFinder.find_spec(name))
    code = f"import importlib\nreturn len([importlib.import_module(name) for name in {present}])"
    assert sandboxed(code).result == len(present) > 60


def test_libraries_that_expand_a_home_folder_still_load(sandboxed: Sandboxed) -> None:
    code = """
        import asyncio, concurrent.futures, email, http.client, logging.handlers, mimetypes, shutil, ssl, subprocess
        import tarfile, tempfile, urllib.request, uuid, zipfile
        return os.path.expanduser("~root/x")
        """
    assert sandboxed(code).result == "~root/x"

"""Find the handler of a manifest by parsing the plugin's source."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from shared.text.regular_file import read_regular

# The platform's package in the process of a plugin.
PLATFORM = ("shared",)
# Bytes of a source file that is parsed.
MAX_BYTES = 4 * 1024 * 1024
HANDLER = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*"


class HandlerError(Exception):
    """The function does not exist.

    The message names the file that was searched.
    """

    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(reason)
        self.line = line


def root_of(manifest: Path) -> Path:
    """The folder on the import path of the plugin's process.

    That of the manifest, or the one above its package.
    """
    folder = manifest.resolve().parent
    while (folder / "__init__.py").exists():
        folder = folder.parent
    return folder


def parse(file: Path) -> ast.Module:
    """Parse a source file of a plugin.

    Raises HandlerError with reason and line, for a sentence that begins with the file.
    """
    try:
        return ast.parse(read_regular(file, MAX_BYTES), str(file))
    except (OSError, SyntaxError, ValueError) as error:
        raise HandlerError(f"cannot be parsed: {error}", getattr(error, "lineno", None) or 1) from None
    except (RecursionError, MemoryError):
        # The parser raises either one, by the kind of nesting.
        raise HandlerError("cannot be parsed: it is nested too deeply") from None


def find(manifest: Path, handler: str) -> Path:
    """The file that defines `package.module:function`. Raises HandlerError."""
    module, _, function = handler.partition(":")
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top in PLATFORM:
        raise HandlerError(
            f"the handler's module {top!r} has the name of a module of Python or the platform; rename it"
        )
    root = root_of(manifest)
    stem = root.joinpath(*module.split("."))
    file = next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)
    if file is None:
        raise HandlerError(f"the handler's module {module!r} is missing: there is no {stem.with_suffix('.py')}")
    if not file.resolve().is_relative_to(manifest.resolve().parent):
        raise HandlerError(f"the handler's module {module!r} is outside the plugin: {file}")
    try:
        body = parse(file).body
    except HandlerError as error:
        raise HandlerError(f"{file} {error}") from None
    if not any(isinstance(node, ast.FunctionDef) and node.name == function for node in body):
        raise HandlerError(f"the handler {function!r} is missing: {file} defines no function of that name")
    return file

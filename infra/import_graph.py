"""Import graph of a source tree: the imports of each module."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from infra import derived

# An attribute of a module, as in `record = "shared.product.records.mail.Cycle"`; an archetype imports the module.
DOTTED = re.compile(r"[a-z_]\w*(?:\.\w+)+")
# Found in the text first: most files have none, and a walk over every node takes as long as parsing.
DOTTED_STRING = re.compile(rf"""(["']){DOTTED.pattern}\1""")
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


class Import(NamedTuple):
    """Import of the module `name`. One under TYPE_CHECKING (`typing`) is never executed."""

    name: str
    line: int
    typing: bool = False


class Reference(NamedTuple):
    """A dotted name in the source: an import or a string."""

    dotted: str
    line: int
    level: int = 0
    typing: bool = False
    string: bool = False


class ImportGraph:
    """Modules of the folders `tops` of `root`, and their imports."""

    def __init__(self, root: Path, *tops: str, parsed: ParsedModules | None = None) -> None:
        self.root = root
        self.tops = tops
        self.parsed = parsed or ParsedModules()
        self._imports: dict[str, list[Import]] = {}

    @cached_property
    def modules(self) -> dict[str, Path]:
        paths = (path for top in self.tops for path in sorted((self.root / top).rglob("*.py")))
        return {_dotted_name(path.relative_to(self.root)): path for path in paths}

    @cached_property
    def packages(self) -> dict[str, list[str]]:
        """Package -> its own modules, without the modules of packages inside it."""
        packages: dict[str, list[str]] = {}
        for module in self.modules:
            packages.setdefault(self.package(module), []).append(module)
        return packages

    def package(self, module: str) -> str:
        """The package that contains `module`; a package contains its own `__init__`."""
        return module if self.modules[module].name == "__init__.py" else module.rpartition(".")[0]

    def imports(self, module: str) -> list[Import]:
        """Imports of modules of this tree: eager, lazy, and by dotted strings."""
        if module not in self._imports:
            imports = {
                self._import(module, reference)
                for reference in self.parsed.references(self.modules[module].read_text())
            }
            self._imports[module] = sorted(target for target in imports if target is not None and target.name != module)
        return self._imports[module]

    def resolve(self, dotted: str) -> str | None:
        """The longest prefix that is a module: `shared.clock.parse` -> `shared.clock`."""
        while dotted and dotted not in self.modules:
            dotted = dotted.rpartition(".")[0]
        return dotted or None

    def reachable(self, start: Iterable[str]) -> set[str]:
        """Modules that code in `start` can import, by whole packages."""
        reached: set[str] = set()
        pending = list(start)
        while pending:
            module = pending.pop()
            if module not in reached:
                reached.add(module)
                pending += self._neighbours(module)
                pending += [target.name for target in self.imports(module) if not target.typing]
        return reached

    def _import(self, module: str, reference: Reference) -> Import | None:
        dotted = reference.dotted
        if reference.level:
            package = self.package(module).split(".")
            dotted = ".".join([*package[: len(package) + 1 - reference.level], dotted])
        target = self.resolve(dotted)
        # A string that is a module's name and no more is compared or printed, not imported.
        if target is None or (reference.string and target == dotted):
            return None
        return Import(target, reference.line, reference.typing)

    def _neighbours(self, module: str) -> Iterator[str]:
        """Modules of its package, and the packages around it.

        A module at the top of a folder has no neighbours.
        """
        package = self.package(module)
        if "." in package:
            yield from self.packages[package]
        while package in self.modules:
            yield package
            package = package.rpartition(".")[0]


def _dotted_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class ParsedModules:
    """References of each module, by a hash of its text.

    By the text, not the path: a tree may change within one process. file: where they are kept between processes.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self._stored = self._read()
        self._parsed: dict[str, list[Reference]] = {}

    @classmethod
    def of_this_tree(cls) -> ParsedModules:
        """Those that the last process has parsed, with this parser."""
        version = derived.digest_of("imports", [Path(__file__).read_bytes()])
        return cls(derived.FOLDER / f"imports-{version}.json")

    def references(self, text: str) -> list[Reference]:
        key = hashlib.sha256(text.encode()).hexdigest()[:32]
        if key not in self._parsed:
            stored = self._stored.get(key)
            self._parsed[key] = [Reference(*each) for each in stored] if stored is not None else [*_references(text)]
        return self._parsed[key]

    def save(self) -> None:
        """Store the references of the modules that were read."""
        # Of other threads as well: a copy.
        parsed = dict(self._parsed)
        if self.file is not None and not parsed.keys() <= self._stored.keys():
            derived.store(self.file, json.dumps(parsed, separators=(",", ":")))

    def _read(self) -> dict[str, list[list[Any]]]:
        with contextlib.suppress(OSError, ValueError):
            if self.file is not None:
                stored: dict[str, list[list[Any]]] = json.loads(self.file.read_bytes())
                return stored
        return {}


def _references(text: str) -> tuple[Reference, ...]:
    tree = ast.parse(text)
    strings = _in_strings(tree) if DOTTED_STRING.search(text) else ()
    return (*_in_statements(tree.body, typing=False), *strings)


def _in_strings(tree: ast.Module) -> Iterator[Reference]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED.fullmatch(node.value):
            yield Reference(node.value, node.lineno, string=True)


def _in_statements(body: list[ast.stmt], *, typing: bool) -> Iterator[Reference]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (Reference(alias.name, node.lineno, typing=typing) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                dotted = ".".join(filter(None, [node.module, alias.name]))
                yield Reference(dotted, node.lineno, node.level, typing)
        else:
            guarded = isinstance(node, ast.If) and _is_type_checking(node.test)
            for block in BLOCKS:
                yield from _in_statements(getattr(node, block, []), typing=typing or (guarded and block == "body"))


def _is_type_checking(test: ast.expr) -> bool:
    return getattr(test, "id", getattr(test, "attr", None)) == "TYPE_CHECKING"

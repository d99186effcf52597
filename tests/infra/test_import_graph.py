"""The import graph: how imports are found, and which modules can be reached."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from infra.import_graph import Import, ImportGraph, ParsedModules
from tests.contract.test_house_rules import planted

TREE = {
    "shared/__init__.py": "",
    "shared/clock.py": "",
    "shared/tables.py": "",
    "shared/run/__init__.py": "",
    "shared/run/run.py": "from shared import clock",
    "shared/run/status.py": "",
    "shared/product/__init__.py": "",
    "shared/product/records/__init__.py": "",
    "shared/product/records/mail.py": "class Cycle: pass",
}


def graph(root: Path, tree: dict[str, str]) -> ImportGraph:
    return ImportGraph(planted(root, TREE | tree), "shared", "functions")


@pytest.mark.parametrize(
    ("text", "imported"),
    [
        ("import shared.run.run", Import("shared.run.run", 1)),
        ("from shared.run.run import run", Import("shared.run.run", 1)),
        ("from shared.run import run", Import("shared.run.run", 1)),
        ("from shared.run import History", Import("shared.run", 1)),
        ("from ..run import run", Import("shared.run.run", 1)),
        ("from .records import mail", Import("shared.product.records.mail", 1)),
        ("def late():\n    from shared.run import run", Import("shared.run.run", 2)),
        ("try:\n    pass\nexcept KeyError:\n    import shared.run.run", Import("shared.run.run", 4)),
        ("match x:\n    case 1:\n        import shared.run.run", Import("shared.run.run", 3)),
        ("if TYPE_CHECKING:\n    import shared.run.run", Import("shared.run.run", 2, typing=True)),
        ("if typing.TYPE_CHECKING:\n    import shared.run.run", Import("shared.run.run", 2, typing=True)),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    import shared.run.run", Import("shared.run.run", 4)),
        ("x = 1\nrecord = 'shared.product.records.mail.Cycle'", Import("shared.product.records.mail", 2)),
    ],
)
def test_an_import_is_found(text: str, imported: Import, tmp_path: Path) -> None:
    assert graph(tmp_path, {"shared/product/job.py": text}).imports("shared.product.job") == [imported]


@pytest.mark.parametrize(
    "text", ["import json", "x = 'shared.run.run'", "# x = 'shared.clock.now'", '"""x = \'shared.clock.now\'."""']
)
def test_other_text_imports_nothing(text: str, tmp_path: Path) -> None:
    assert graph(tmp_path, {"shared/product/job.py": text}).imports("shared.product.job") == []


def reached(root: Path, text: str) -> set[str]:
    tree = graph(root, {"functions/__init__.py": "", "functions/mail/__init__.py": "", "functions/mail/job.py": text})
    return {name for name in tree.reachable(["functions.mail.job"]) if name.startswith("shared.")}


def test_a_package_is_reached_whole_and_with_what_its_modules_import(tmp_path: Path) -> None:
    assert reached(tmp_path, "import shared.run.status") == {
        "shared.run",
        "shared.run.run",
        "shared.run.status",
        "shared.clock",
    }


def test_the_package_around_a_package_is_reached_but_not_its_other_modules(tmp_path: Path) -> None:
    found = reached(tmp_path, "x = 'shared.product.records.mail.Cycle'")
    assert found == {"shared.product", "shared.product.records", "shared.product.records.mail"}


def test_imports_for_typing_are_not_reached(tmp_path: Path) -> None:
    assert reached(tmp_path, "if TYPE_CHECKING:\n    import shared.run.run") == set()


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    assert reached(tmp_path, "import shared.clock") == {"shared.clock"}
    assert reached(tmp_path, "import shared.tables") == {"shared.tables"}


def test_an_edit_parses_one_module_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed_texts = []
    parse = ast.parse

    def counted(text: str) -> ast.Module:
        parsed_texts.append(text)
        return parse(text)

    monkeypatch.setattr(ast, "parse", counted)

    def read(root: Path) -> int:
        """Modules that a process with the stored references parses."""
        parsed_texts.clear()
        modules = ParsedModules(tmp_path / "imports.json")
        tree = ImportGraph(root, "shared", parsed=modules)
        assert [tree.imports(module) for module in tree.modules] == [graph_imports[module] for module in tree.modules]
        modules.save()
        return len(parsed_texts)

    root = planted(tmp_path / "tree", TREE)
    plain = ImportGraph(root, "shared")
    graph_imports = {module: plain.imports(module) for module in plain.modules}
    distinct = len(set(TREE.values()))
    assert (read(root), read(root)) == (distinct, 0)
    (root / "shared/clock.py").write_text("NOW = 1")
    assert (read(root), read(root)) == (1, 0)

"""Levels of the packages of shared/, and no import cycles anywhere. CONTRIBUTING.md has the rules in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.import_graph import ImportGraph
from tests.contract.test_house_rules import planted

TOPS = ("shared", "functions", "workers", "infra", "local", "cli")
# A package imports itself and lower levels. Modules at the top of shared/ count as packages.
LEVELS = (
    {"redaction", "clock", "tables", "deadline", "concurrency"},
    {"text"},
    {"aws"},
    {"store", "advised_commands"},
    {"job", "dead_letters"},
    {"observability"},
    {"run", "plans"},
    {"messages", "http", "mail", "ledger"},
    {"archetypes", "plugins", "admin", "handler"},
    {"product"},
)
LEVEL = {package: level for level, packages in enumerate(LEVELS) for package in packages}
# A run applies a plan; no plan applies a run.
SIDEWAYS = {("run", "plans")}
# Named in annotations at every level: jobs and archetypes take it as their argument.
NAMED_ANYWHERE = "shared.run.context"
# Package -> the folders that may import it.
RESERVED = {"admin": ("cli", "functions"), "plugins": ("functions/plugins", "local", "cli", "infra")}
MOST_TOP_LEVEL_MODULES = 8

Law = Callable[[Path], list[str]]


def packages_import_lower_levels(root: Path) -> list[str]:
    return [
        f"{path.relative_to(root)}:{line} imports {name}; {package} is on level {LEVEL[package]}, {imported} on level "
        f"{LEVEL[imported]}: move what both need to a lower level"
        for path, package, name, line, imported in _imports_in_shared(root)
        if package in LEVEL and imported in LEVEL
        if LEVEL[imported] >= LEVEL[package] and (package, imported) not in SIDEWAYS
    ]


def every_package_has_a_level(root: Path) -> list[str]:
    packages = {package_of(module) for module in ImportGraph(root, "shared").modules}
    return [f"shared/{package} has no level; add it to LEVELS" for package in sorted(packages - {*LEVEL, ""})]


def reserved_packages_have_few_importers(root: Path) -> list[str]:
    graph = ImportGraph(root, *TOPS)
    return [
        f"{path.relative_to(root)}:{target.line} imports {target.name}; only {' and '.join(RESERVED[package])} may"
        for module, path in graph.modules.items()
        for target in graph.imports(module)
        if (package := package_of(target.name)) in RESERVED and package != package_of(module)
        if not path.relative_to(root).as_posix().startswith(RESERVED[package])
    ]


def no_module_imports_itself_in_a_circle(root: Path) -> list[str]:
    graph = ImportGraph(root, *TOPS)
    edges = {
        module: {
            target.name for target in graph.imports(module) if not (target.typing and target.name == NAMED_ANYWHERE)
        }
        for module in graph.modules
    }
    return [f"import cycle: {' -> '.join(cycle)}; move what both ends need" for cycle in cycles(edges)]


def shared_has_few_modules_at_its_top(root: Path) -> list[str]:
    names = sorted(path.name for path in (root / "shared").glob("*.py") if path.name != "__init__.py")
    if len(names) <= MOST_TOP_LEVEL_MODULES:
        return []
    return [f"shared/ has {len(names)} modules at its top, {MOST_TOP_LEVEL_MODULES} are allowed: {', '.join(names)}"]


LAWS: list[Law] = [
    packages_import_lower_levels,
    every_package_has_a_level,
    reserved_packages_have_few_importers,
    no_module_imports_itself_in_a_circle,
    shared_has_few_modules_at_its_top,
]


def package_of(module: str) -> str:
    """`shared.run.claim` -> `run`; "" for modules outside of shared/ and for shared/ itself."""
    top, _, rest = module.partition(".")
    return rest.partition(".")[0] if top == "shared" else ""


def _imports_in_shared(root: Path) -> Iterator[tuple[Path, str, str, int, str]]:
    graph = ImportGraph(root, "shared")
    for module, path in graph.modules.items():
        package = package_of(module)
        for target in graph.imports(module):
            imported = package_of(target.name)
            if imported != package and not (target.typing and target.name == NAMED_ANYWHERE):
                yield path, package, target.name, target.line, imported


def cycles(edges: dict[str, set[str]]) -> list[list[str]]:
    """The shortest cycle through each module that is on one, and no cycle twice."""
    found: dict[frozenset[str], list[str]] = {}
    edges = _without_leaves(edges)
    for start in sorted(edges):
        cycle = _shortest_cycle(start, edges)
        if cycle:
            found.setdefault(frozenset(cycle), cycle)
    return list(found.values())


def _without_leaves(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """Only the modules that lead into a cycle: the others, which are nearly all, need no search."""
    while leaves := {module for module, targets in edges.items() if not targets & edges.keys()}:
        edges = {module: targets - leaves for module, targets in edges.items() if module not in leaves}
    return edges


def _shortest_cycle(start: str, edges: dict[str, set[str]]) -> list[str]:
    before = dict.fromkeys(sorted(edges[start]), start)
    pending = list(before)
    for module in pending:
        if module == start:
            break
        new = sorted(edges[module] - before.keys())
        before |= dict.fromkeys(new, module)
        pending += new
    if start not in before:
        return []
    cycle = [start]
    while (module := before[cycle[-1]]) != start:
        cycle.append(module)
    return [start, *reversed(cycle[1:]), start]


@pytest.mark.parametrize(
    ("importer", "text"),
    [
        ("shared/clock.py", "from shared.aws import cloud"),
        ("shared/aws/cloud.py", "def late():\n    from shared.run import run"),
        ("shared/job/definition.py", "if TYPE_CHECKING:\n    from shared.run import run"),
        ("shared/job/definition.py", "from shared.run import context"),
        ("shared/http/client.py", "import shared.mail.relay"),
        ("shared/plans/plan.py", "from shared.run import run"),
        ("shared/archetypes/sweep/__init__.py", "record = 'shared.product.mail.Cycle'"),
    ],
)
def test_an_import_of_a_level_that_is_not_lower_is_found(importer: str, text: str, tmp_path: Path) -> None:
    modules = ("run/run", "run/context", "mail/relay", "product/mail", "aws/cloud")
    tree = {**{f"shared/{module}.py": "" for module in modules}, importer: text}
    [fault] = packages_import_lower_levels(planted(tmp_path, tree))
    assert fault.startswith(f"{importer}:")


@pytest.mark.parametrize(
    ("importer", "text"),
    [
        ("shared/run/run.py", "from shared.plans import plan\nfrom shared.run import claim\nimport shared.clock"),
        ("shared/job/definition.py", "if TYPE_CHECKING:\n    from shared.run.context import RunContext"),
        ("shared/product/mail.py", "from shared.archetypes import sweep"),
    ],
)
def test_an_import_of_a_lower_level_is_allowed(importer: str, text: str, tmp_path: Path) -> None:
    modules = ("plans/plan", "run/claim", "run/context", "clock", "archetypes/sweep")
    tree = {**{f"shared/{module}.py": "" for module in modules}, importer: text}
    assert packages_import_lower_levels(planted(tmp_path, tree)) == []


def test_a_package_without_a_level_is_found(tmp_path: Path) -> None:
    faults = every_package_has_a_level(planted(tmp_path, {"shared/cache/lru.py": "", "shared/clock.py": ""}))
    assert [fault.split()[0] for fault in faults] == ["shared/cache"]


@pytest.mark.parametrize(
    ("importer", "text"),
    [
        ("shared/product/mail.py", "from shared.admin import redrive"),
        ("shared/handler.py", "from shared.plugins import job"),
        ("functions/mail/hold.py", "import shared.plugins.job"),
        ("workers/worker.py", "import shared.admin.redrive"),
    ],
)
def test_an_importer_of_a_reserved_package_is_found(importer: str, text: str, tmp_path: Path) -> None:
    tree = {"shared/admin/redrive.py": "from shared.admin import audit", "shared/admin/audit.py": "", importer: text}
    [fault] = reserved_packages_have_few_importers(planted(tmp_path, tree | {"shared/plugins/job.py": ""}))
    assert fault.startswith(f"{importer}:1 ")


@pytest.mark.parametrize(
    ("back", "found"),
    [
        ("import shared.run.a", True),
        ("def late():\n    from shared.run.a import x", True),
        ("if TYPE_CHECKING:\n    from shared.run import a", True),
        ("record = 'shared.run.a.X'", True),
        ("from shared.run import b", False),
        ("import json", False),
    ],
)
def test_a_cycle_is_found_at_run_time_lazily_and_for_typing(back: str, found: bool, tmp_path: Path) -> None:
    tree = {"shared/run/a.py": "from shared.run import b", "shared/run/b.py": "import shared.run.c"}
    faults = no_module_imports_itself_in_a_circle(planted(tmp_path, tree | {"shared/run/c.py": back}))
    expected = "import cycle: shared.run.a -> shared.run.b -> shared.run.c -> shared.run.a; move what both ends need"
    if found:
        assert faults == [expected]
    else:
        assert expected not in faults


def test_the_run_context_may_be_named_for_typing_where_it_closes_a_cycle(tmp_path: Path) -> None:
    tree = {
        "shared/run/context.py": "from shared.job import definition",
        "shared/job/definition.py": "if TYPE_CHECKING:\n    from shared.run.context import RunContext",
    }
    assert no_module_imports_itself_in_a_circle(planted(tmp_path, tree)) == []


def test_a_package_that_exports_what_its_modules_import_from_it_is_a_cycle(tmp_path: Path) -> None:
    tree = {
        "shared/job/__init__.py": "from shared.job.retry import X",
        "shared/job/retry.py": "from shared.job import Y",
    }
    assert len(no_module_imports_itself_in_a_circle(planted(tmp_path, tree))) == 1


def test_a_ninth_module_at_the_top_of_shared_is_found(tmp_path: Path) -> None:
    tree = {f"shared/{name}.py": "" for name in ("__init__", *"abcdefgh")}
    assert shared_has_few_modules_at_its_top(planted(tmp_path, tree)) == []
    [fault] = shared_has_few_modules_at_its_top(planted(tmp_path, {"shared/i.py": ""}))
    assert fault.startswith("shared/ has 9 modules")

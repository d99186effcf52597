"""Rules of the source tree: imports, names, lengths, calls. CONTRIBUTING.md explains them."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Importer -> folders that it may import, besides itself. In functions/, each group counts as one.
MAY_IMPORT = {
    "shared": set[str](),
    "functions": {"shared"},
    "infra": {"shared", "functions"},
    "local": {"shared", "functions"},
    "workers": {"shared", "functions"},
    "cli": {"shared", "functions", "infra", "local", "workers"},
    "jobs": {"shared", "cli"},
}
FOLDERS = {*MAY_IMPORT, "benchmarks", "proof", "tests", "bootstrap"}
VAGUE_NAMES = {"base", "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}
LONGEST_FILE = 300
LONGEST_FUNCTION = 50
BRINGS_PYDANTIC = (
    "shared.messages.payload",
    "shared.product.webhook_event",
    "shared.product.organization_notification",
    "shared.messages.envelope",
    "shared.messages.payload_rules",
    "shared.plugins.manifest.manifest",
)
DOMAIN_NAME = "shared/text/domain_name.py"
GATEWAY = (("shared", "aws"), ("shared", "store"))
GATEWAY_USERS = {"shared", "functions", "cli", "workers", "local"}
DYNAMODB = {
    *("get_item", "put_item", "update_item", "delete_item", "query", "scan"),
    *("batch_get_item", "batch_write_item", "transact_get_items", "transact_write_items"),
}
PYDANTIC = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}

# Runs without site-packages (-S): of third-party code, only `allowed` can be imported.
IMPORT_WITH_ALLOWED = """
import importlib, json, sys
from importlib.machinery import PathFinder

root, site_packages, allowed, modules = (json.loads(word) for word in sys.argv[1:])

class AllowedFinder:
    def find_spec(self, name, path=None, target=None):
        return PathFinder.find_spec(name, [site_packages]) if name in allowed else None

sys.meta_path.append(AllowedFinder())
sys.path.insert(0, root)
faults = {}
for module in modules:
    try:
        importlib.import_module(module)
    except BaseException as error:
        faults[module] = f"{type(error).__name__}: {error}"
print(json.dumps(faults))
"""

Law = Callable[[Path], list[str]]


def imports_point_inwards(root: Path) -> list[str]:
    return [
        f"{path.relative_to(root)}:{line} imports {name}; {importer(path, root)} may not; move shared code down"
        for path in sources(root)
        if path.relative_to(root).parts[0].removesuffix(".py") in MAY_IMPORT
        for name, line in imports(path, root)
        if name.split(".")[0] in FOLDERS and not may_import(path.relative_to(root), name)
    ]


def no_file_has_a_vague_name(root: Path) -> list[str]:
    return [
        f"{path.relative_to(root)} has a name that fits anything; name it after its content"
        for path in sources(root)
        if VAGUE_NAMES & {part.removesuffix(".py").removeprefix("test_") for part in path.relative_to(root).parts}
    ]


def no_file_is_longer_than_300_lines(root: Path) -> list[str]:
    return [
        f"{path.relative_to(root)} has {count} lines, {LONGEST_FILE} are allowed; split it"
        for path in sources(root)
        if not in_tests(path, root) and (count := len(path.read_text().splitlines())) > LONGEST_FILE
    ]


def functions_are_under_50_lines(root: Path) -> list[str]:
    return [
        f"{path.relative_to(root)}:{node.lineno} {node.name} has {count} lines; keep it under {LONGEST_FUNCTION}"
        for path in sources(root)
        if not in_tests(path, root)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (count := (node.end_lineno or node.lineno) - node.lineno + 1) >= LONGEST_FUNCTION
    ]


def dynamodb_is_called_through_the_gateway(root: Path) -> list[str]:
    return [
        f"{path.relative_to(root)}:{line} calls {name}; call shared/store instead, its table.py and transaction.py"
        for path in sources(root)
        if path.relative_to(root).parts[0] in GATEWAY_USERS
        and path.relative_to(root).parts[:2] not in GATEWAY
        and not in_engine(path, root)
        for name, line in dynamodb_calls(path)
    ]


def domains_are_encoded_in_one_place(root: Path) -> list[str]:
    """Python's codec `idna` is IDNA 2003, by which straße.example is another domain."""
    return [
        f"{path.relative_to(root)}:{line} encodes a domain name; use ascii_domain of {DOMAIN_NAME}"
        for path in sources(root)
        if not in_tests(path, root) and path.relative_to(root).as_posix() != DOMAIN_NAME
        for line in idna_uses(path)
    ]


def jobs_import_with_pydantic_alone(root: Path) -> list[str]:
    return import_faults(root, job_modules(root), PYDANTIC)


def jobs_without_payload_import_without_pydantic(root: Path) -> list[str]:
    return import_faults(root, [module for module in job_modules(root) if not has_payload(module, root)], set())


LAWS: list[Law] = [
    imports_point_inwards,
    no_file_has_a_vague_name,
    no_file_is_longer_than_300_lines,
    functions_are_under_50_lines,
    dynamodb_is_called_through_the_gateway,
    domains_are_encoded_in_one_place,
    jobs_import_with_pydantic_alone,
    jobs_without_payload_import_without_pydantic,
]


def sources(root: Path) -> Iterator[Path]:
    yield from sorted(root.glob("*.py"))
    for folder in sorted(FOLDERS):
        yield from sorted((root / folder).rglob("*.py"))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def in_tests(path: Path, root: Path) -> bool:
    return path.relative_to(root).parts[0] == "tests"


def in_engine(path: Path, root: Path) -> bool:
    """Whether the file is part of the local engine, which implements the calls."""
    return path.relative_to(root).parts[:2] == ("local", "engine")


def dynamodb_calls(path: Path) -> Iterator[tuple[str, int]]:
    """Each DynamoDB operation that is called, passed on as a value, or paginated, with its line."""
    for node in ast.walk(parsed(path)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="table" | "gateway"), attr="query")):
                pass  # the function of shared/store/table.py
            case ast.Call(func=ast.Attribute(attr="query" | "scan" as name)):
                yield name, node.lineno
            case ast.Call(func=ast.Attribute(attr="get_paginator"), args=[ast.Constant(value=str(name))]):
                if name in DYNAMODB:
                    yield f"get_paginator({name!r})", node.lineno
            # A URL has a query too.
            case ast.Attribute(attr=name) if name in DYNAMODB - {"query", "scan"}:
                yield name, node.lineno


def idna_uses(path: Path) -> Iterator[int]:
    """Lines that name the codec in a call, or import the package."""
    for node in ast.walk(parsed(path)):
        match node:
            case ast.Call(args=arguments, keywords=keywords):
                for value in (*arguments, *(keyword.value for keyword in keywords)):
                    if isinstance(value, ast.Constant) and str(value.value).lower() == "idna":
                        yield node.lineno
            case ast.Import(names=names) if any(name.name.partition(".")[0] == "idna" for name in names):
                yield node.lineno
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] == "idna":
                yield node.lineno
            case ast.ImportFrom(module="encodings", names=names) if any(name.name == "idna" for name in names):
                yield node.lineno


def importer(path: Path, root: Path) -> str:
    where = path.relative_to(root).parts
    return "/".join(where[: 2 if where[0] == "functions" else 1])


def imports(path: Path, root: Path) -> Iterator[tuple[str, int]]:
    """Dotted names of all imports in the file, and their lines."""
    package = path.relative_to(root).with_suffix("").parts
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: -node.level] if node.level else ()
            for alias in node.names:
                yield ".".join((*start, *filter(None, [node.module]), alias.name)), node.lineno


def may_import(path: Path, name: str) -> bool:
    here, there = path.with_suffix("").parts, name.split(".")
    if here[0] == there[0] == "functions":
        return here[1:2] == tuple(there[1:2])
    return here[0] == there[0] or there[0] in MAY_IMPORT[here[0]]


def modules(root: Path) -> dict[str, Path]:
    """Modules of functions/, by dotted name."""
    modules = {}
    for path in sorted((root / "functions").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def job_modules(root: Path) -> list[str]:
    """Modules of groups of jobs. HTTP functions, which have a handler.py, may import Powertools."""
    return [name for name, path in modules(root).items() if not _serves_http(path, root)]


def _serves_http(path: Path, root: Path) -> bool:
    """Whether a handler.py is in the file's group."""
    group = root.joinpath(*path.relative_to(root).parts[:2])
    return (group / "handler.py").exists()


def has_payload(module: str, root: Path, seen: frozenset[str] = frozenset()) -> bool:
    """Whether the module imports pydantic or payloads, also through other modules of functions/."""
    all_modules = modules(root)
    for name, _ in imports(all_modules[module], root):
        if name.split(".")[0] == "pydantic" or name.startswith(BRINGS_PYDANTIC):
            return True
        near = next((candidate for candidate in (name, name.rpartition(".")[0]) if candidate in all_modules), None)
        if near and near != module and near not in seen and has_payload(near, root, seen | {module}):
            return True
    return False


def import_faults(root: Path, modules: list[str], allowed: set[str]) -> list[str]:
    """Import in a fresh process, with the standard library, this project and `allowed` only."""
    words = [str(root), sysconfig.get_path("purelib"), sorted(allowed), modules]
    command = [sys.executable, "-I", "-S", "-c", IMPORT_WITH_ALLOWED, *map(json.dumps, words)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env={}, timeout=60)
    return [f"{module} cannot be imported: {fault}" for module, fault in json.loads(answer.stdout).items()]


def planted(root: Path, tree: dict[str, str]) -> Path:
    for name, text in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("shared/run/run.py", "from functions.mail import hold"),
        ("shared/run/run.py", "def late():\n    import cli.rows"),
        ("shared/archetypes/consumer.py", "from ...infra import app"),
        ("functions/mail/hold.py", "from functions.sites.pricing import Pricing"),
        ("functions/mail/hold.py", "from functions import sites"),
        ("functions/mail/hold.py", "from ..sites import pricing"),
        ("functions/mail/hold.py", "import local.launcher"),
        ("functions/mail/hold.py", "from tests.fakes import store"),
        ("infra/app.py", "import cli"),
        ("local/scheduler/ticker.py", "from infra import app"),
        ("jobs.py", "from local import launcher"),
    ],
)
def test_an_import_that_points_outwards_is_found(path: str, text: str, tmp_path: Path) -> None:
    faults = imports_point_inwards(planted(tmp_path, {path: text}))
    assert len(faults) == 1
    assert faults[0].startswith(f"{path}:")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("functions/mail/hold.py", "from functions.mail.text import x\nfrom . import text\nimport shared.run.run"),
        ("cli/commands/up.py", "import local.launcher, infra.prices, shared.run.run, functions.mail.hold, rich"),
        ("tests/unit/run/test_run.py", "import shared.run.run, cli.commands.up, tests.fakes"),
    ],
)
def test_an_import_that_points_inwards_is_allowed(path: str, text: str, tmp_path: Path) -> None:
    assert imports_point_inwards(planted(tmp_path, {path: text})) == []


@pytest.mark.parametrize("path", ["shared/utils.py", "functions/common/pricing.py", "tests/unit/test_helpers.py"])
def test_a_vague_name_is_found(path: str, tmp_path: Path) -> None:
    assert [fault.split()[0] for fault in no_file_has_a_vague_name(planted(tmp_path, {path: ""}))] == [path]


def test_300_lines_are_the_most_that_a_file_has(tmp_path: Path) -> None:
    tree = {
        "jobs.py": "pass\n" * 301,
        "shared/run/run.py": "pass\n" * 300,
        "tests/unit/run/test_run.py": "pass\n" * 301,
    }
    assert [fault.split()[0] for fault in no_file_is_longer_than_300_lines(planted(tmp_path, tree))] == ["jobs.py"]


def test_49_lines_are_the_most_that_a_function_has(tmp_path: Path) -> None:
    text = "def long():\n" + "    pass\n" * 49 + "def short():\n" + "    pass\n" * 48
    (fault,) = functions_are_under_50_lines(planted(tmp_path, {"shared/run/run.py": text}))
    assert fault.startswith("shared/run/run.py:1 long")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("functions/mail/hold.py", "run.cloud.dynamodb.get_item(TableName='t', Key={})"),
        ("shared/run/claim.py", "cloud.bulk.transact_write_items(TransactItems=[])"),
        ("cli/commands/hold.py", "client.get_paginator('query')"),
        ("workers/hold.py", "call = cloud.dynamodb.update_item"),
        ("local/scheduler/hold.py", "cloud.dynamodb.query(TableName='t')"),
    ],
)
def test_a_dynamodb_call_beside_the_gateway_is_found(path: str, text: str, tmp_path: Path) -> None:
    (fault,) = dynamodb_is_called_through_the_gateway(planted(tmp_path, {path: text}))
    assert fault.startswith(f"{path}:1 calls ")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("shared/store/table.py", "cloud.dynamodb.get_item(TableName='t', Key={})"),
        ("local/engine/dynamodb.py", "store.put_item(item)"),
        ("functions/mail/hold.py", "table.query(cloud, HOLDS, 'pk = :pk', {})"),
        ("functions/mail/hold.py", "cloud.s3.get_paginator('list_objects_v2')"),
        ("shared/http/ssrf.py", "urlsplit(url).query"),
    ],
)
def test_calls_of_the_gateway_and_the_engine_are_let_be(path: str, text: str, tmp_path: Path) -> None:
    assert dynamodb_is_called_through_the_gateway(planted(tmp_path, {path: text})) == []


@pytest.mark.parametrize(
    "text",
    [
        "name.encode('idna')",
        "name.encode(encoding='IDNA')",
        "codecs.decode(name, 'idna')",
        "import idna",
        "from idna import encode",
        "from encodings import idna",
    ],
)
def test_a_domain_that_is_encoded_elsewhere_is_found(text: str, tmp_path: Path) -> None:
    tree = planted(tmp_path, {"shared/mail/hold.py": text, DOMAIN_NAME: "import idna"})
    (fault,) = domains_are_encoded_in_one_place(tree)
    assert fault.startswith("shared/mail/hold.py:1 encodes a domain name")


@pytest.mark.parametrize("text", ["import boto3", "import shared.aws.cloud", "raise KeyError('BASE_URLS')"])
def test_a_job_that_needs_more_than_pydantic_to_be_imported_is_found(text: str, tmp_path: Path) -> None:
    tree = {"functions/mail/hold.py": text, "shared/aws/cloud.py": "import botocore"}
    (fault,) = jobs_import_with_pydantic_alone(planted(tmp_path, tree))
    assert fault.startswith("functions.mail.hold ")


@pytest.mark.parametrize("text", ["import pydantic", "def work():\n    import boto3"])
def test_a_job_may_import_pydantic_and_import_the_rest_late(text: str, tmp_path: Path) -> None:
    assert jobs_import_with_pydantic_alone(planted(tmp_path, {"functions/mail/hold.py": text})) == []


def test_an_http_function_may_import_powertools(tmp_path: Path) -> None:
    tree = {
        "functions/trigger/handler.py": "import aws_lambda_powertools",
        "functions/trigger/_page.py": "import boto3",
    }
    assert jobs_import_with_pydantic_alone(planted(tmp_path, tree)) == []


def test_a_job_that_declares_no_payload_must_do_without_pydantic(tmp_path: Path) -> None:
    tree = {
        "functions/mail/batch.py": "import pydantic\nclass Batch(pydantic.BaseModel): n: int",
        "functions/mail/usage.py": "from functions.mail.batch import Batch",
        "functions/mail/hold.py": "import shared.job.definition",
        "shared/job/definition.py": "import pydantic",
    }
    (fault,) = jobs_without_payload_import_without_pydantic(planted(tmp_path, tree))
    assert fault.startswith("functions.mail.hold ")

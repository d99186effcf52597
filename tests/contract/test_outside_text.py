"""Outside text has one reader each for files, JSON, TOML, timestamps and whole numbers: shared/text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.test_house_rules import Law, parsed, planted, sources

TEXT = "shared/text/"
# Folders of the product. The others read only text of this project and its tools.
READERS = {"shared", "functions", "cli", "workers"}
# JSON that was written by this project, or that is checked elsewhere.
OTHER_JSON = {
    "shared/aws/dynamodb/responses.py": "an answer of DynamoDB",
    "shared/aws/service_models.py": "files of the deployment",
    "shared/job/manifest.py": "a file of the deployment",
    "shared/job/job_details.py": "a file of the deployment",
    "shared/messages/payload.py": "data of parse_json, as text for pydantic's strict mode",
    "shared/observability/artifacts.py": "an artifact",
    "shared/plans/draft.py": "lines of a stored plan",
    "shared/plugins/child/context.py": "runs in the plugin's process",
    "shared/plugins/host/sandbox.py": "a result that was read from the wire",
    "shared/plugins/wire.py": "a bounded frame, whose faults are violations of the protocol",
    "shared/run/checkpoint.py": "a checkpoint",
    "shared/run/effect_results.py": "a result of an effect",
    "shared/run/effects.py": "a result, as its row would return it",
    "shared/run/oversized.py": "an event that this project wrote",
    "shared/run/reconcile.py": "a result of an effect",
    "shared/store/record.py": "data that was parsed, as text for pydantic's strict mode",
    "shared/store/s3_archive.py": "an archive, whose checksum was verified",
    "functions/assessments/_rubric.py": "an answer of a model, which pydantic reads without recursion",
    "shared/http/openapi.py": "the document of the bundle, or that Powertools wrote",
    "functions/operations/_reconcile_window.py": "a checkpoint",
    "functions/queues/_drain.py": "the answer of a function of this project",
    "cli/commands/cost.py": "the output of `logs`, a command of this project",
    "cli/commands/load.py": "has the same refusals, and the limits of DynamoDB",
    "cli/declared_jobs.py": "a file that an earlier command wrote",
    "cli/log_lines.py": "a log line of this project",
    "cli/output.py": "data of this project",
}
# TOML of the checkout.
OTHER_TOML = {"infra/layer.py": "pyproject.toml of the checkout"}
TOML_FOLDERS = {*READERS, "local", "infra"}
TOML_READERS = {"tomllib.loads", "tomllib.load"}
JSON_READERS = {"json.loads", "json.load", "loads", "JSONDecoder"}
JSON_METHODS = {"model_validate_json", "validate_json"}
# Timestamps and dates of this project, or in another form than RFC 3339.
OTHER_TIMESTAMPS = {
    "shared/clock.py": "the forms that this project writes",
    "shared/http/client.py": "HTTP dates",
    "shared/http/webhook.py": "seconds of a signature",
    "shared/job/budget.py": "the first day of a period",
    "shared/archetypes/rollup/pending.py": "a day that this project wrote",
    "shared/archetypes/rollup/periods.py": "a day that this project wrote",
    "shared/run/history.py": "the id of a run",
    "shared/store/age_index.py": "a day of the index",
    "shared/admin/explain.py": "milliseconds that this project wrote",
    "shared/admin/trace.py": "milliseconds that this project wrote",
    "functions/console/_views.py": "a day, whose form is checked",
    "functions/flags/_periods.py": "a period that this project wrote",
    "functions/mail/bandwidth_rebuild.py": "a day of an archive",
    "functions/operations/_dead_letter_source.py": "milliseconds that SQS counted",
    "functions/operations/_dlq_mover.py": "milliseconds that SQS counted",
    "functions/operations/dispatch.py": "milliseconds that SQS counted",
    "cli/commands/heatmap.py": "a day that an operator typed",
}
TIMESTAMP_READERS = {"fromisoformat", "strptime", "fromtimestamp", "utcfromtimestamp", "parsedate_to_datetime"}
LAX_FIELDS = {"AwareDatetime", "NaiveDatetime", "PastDatetime", "FutureDatetime", "PastDate", "FutureDate"}
LAX_FIELDS_REFUSED_IN = "shared/messages/payload_rules.py"
# Digits of every script are masked, and are prices.
OTHER_DIGITS = ("shared/redaction/", "functions/sites/pricing.py")
# Files of the checkout, of a deployment, or of the process itself.
OTHER_FILES = {
    "shared/job/job_details.py": "a file of the deployment",
    "shared/http/openapi.py": "a file of the deployment",
    "shared/job/manifest.py": "a file of the deployment",
    "shared/job/schedule.py": "a file of the package tzdata",
    "shared/job/validation.py": "the source of a job that was imported",
    "shared/plugins/host/process_count.py": "a file of /proc",
    "functions/console/_assets.py": "a file of the deployment",
    "functions/console/_pages/mails.py": "a mail that the local cloud stored",
    "functions/mail/_templates.py": "a file of the deployment",
    "cli/certificates.py": "the certificates and the source of the checkout",
    "cli/declared_jobs.py": "a file that an earlier command wrote",
    "cli/commands/new/__init__.py": "a skeleton of the checkout",
    "cli/commands/seed.py": "a file that the local cloud wrote",
    "cli/generate/main.py": "generated files of the checkout",
}
FILE_READERS = {"read_text", "read_bytes"}
FILE_FOLDERS = {"shared", "functions", "cli"}
DIGIT_TESTS = {"isdecimal", "isdigit", "isnumeric"}
DIGIT_FOLDERS = {*READERS, "local", "infra"}


def json_from_outside_has_one_reader(root: Path) -> list[str]:
    return [
        f"{name}:{line} calls {called}; call shared/text/untrusted_json.py"
        for name, tree in product(root, READERS)
        if name not in OTHER_JSON
        for called, line in json_calls(tree)
    ]


def toml_from_outside_has_one_reader(root: Path) -> list[str]:
    return [
        f"{name}:{line} calls {called}; call shared/text/untrusted_toml.py"
        for name, tree in product(root, TOML_FOLDERS)
        if name not in OTHER_TOML
        for called, line in toml_calls(tree)
    ]


def timestamps_have_one_reader(root: Path) -> list[str]:
    return [
        f"{name}:{line} calls {called}; call shared/text/timestamp.py, or declare a Timestamp"
        for name, tree in product(root, READERS)
        if name not in OTHER_TIMESTAMPS
        for called, line in attribute_calls(tree, TIMESTAMP_READERS)
    ] + [
        f"{name}:{node.lineno} names {node.id}, which accepts digits as seconds since 1970; declare a Timestamp"
        for name, tree in product(root, READERS)
        if name != LAX_FIELDS_REFUSED_IN
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id in LAX_FIELDS
    ]


def digits_are_ascii(root: Path) -> list[str]:
    """`\\d` and the tests of `str` accept digits of every script."""
    return [
        f"{name}:{line} uses {found}, which accepts digits of every script; use [0-9] or shared/text/whole_number.py"
        for name, tree in product(root, DIGIT_FOLDERS)
        if not name.startswith(OTHER_DIGITS)
        for found, line in (*attributes(tree, DIGIT_TESTS), *digit_patterns(tree))
    ]


def files_from_outside_have_one_reader(root: Path) -> list[str]:
    return [
        f"{name}:{line} calls {called}, which a FIFO blocks; call shared/text/regular_file.py"
        for name, tree in product(root, FILE_FOLDERS)
        if name not in OTHER_FILES and not name.startswith("shared/plugins/child/")
        for called, line in file_reads(tree)
    ]


LAWS: list[Law] = [
    files_from_outside_have_one_reader,
    json_from_outside_has_one_reader,
    toml_from_outside_has_one_reader,
    timestamps_have_one_reader,
    digits_are_ascii,
]


def product(root: Path, folders: set[str]) -> Iterator[tuple[str, ast.Module]]:
    for path in sources(root):
        name = path.relative_to(root).as_posix()
        if name.partition("/")[0] in folders and not name.startswith(TEXT):
            yield name, parsed(path)


def attributes(tree: ast.AST, names: set[str]) -> Iterator[tuple[str, int]]:
    yield from (
        (node.attr, node.lineno) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in names
    )


def attribute_calls(tree: ast.AST, names: set[str]) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in names:
                yield name, node.lineno


def json_calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) if name in JSON_METHODS:
                yield name, node.lineno
            case ast.Call(func=function) if ast.unparse(function) in JSON_READERS:
                yield ast.unparse(function), node.lineno


def toml_calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=function) if ast.unparse(function) in TOML_READERS:
                yield ast.unparse(function), node.lineno
            case ast.ImportFrom(module="tomllib"):
                yield "tomllib", node.lineno


def file_reads(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) if name in FILE_READERS:
                yield name, node.lineno
            case ast.Call(func=ast.Attribute(attr="open"), args=[ast.Constant(value="r" | "rb"), *_]):
                yield "open", node.lineno


def digit_patterns(tree: ast.AST) -> Iterator[tuple[str, int]]:
    r"""Each text with `\d` that is no argument beside re.ASCII."""
    ascii_only = {
        id(part)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and any("ASCII" in ast.unparse(flag) for flag in (*call.args, *call.keywords))
        for part in ast.walk(call)
    }
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    yield from ((r"\d", text.lineno) for text in texts if r"\d" in str(text.value) and id(text) not in ascii_only)


def test_each_exception_exists_and_needs_to_be_one() -> None:
    root = Path(__file__).parents[2]
    needed = {
        **{name: json_calls(parsed(root / name)) for name in OTHER_JSON},
        **{name: toml_calls(parsed(root / name)) for name in OTHER_TOML},
        **{f"{name} as a file": file_reads(parsed(root / name)) for name in OTHER_FILES},
        **{name: attribute_calls(parsed(root / name), TIMESTAMP_READERS) for name in OTHER_TIMESTAMPS},
    }
    assert [name for name, calls in needed.items() if not [*calls]] == []


@pytest.mark.parametrize(
    ("law", "text"),
    [
        (json_from_outside_has_one_reader, "import json\nbody = json.loads(text)"),
        (json_from_outside_has_one_reader, "import json\nbody = json.load(file)"),
        (json_from_outside_has_one_reader, "\nbody = Result.model_validate_json(text)"),
        (json_from_outside_has_one_reader, "from json import loads\nbody = loads(text)"),
        (toml_from_outside_has_one_reader, "import tomllib\nbody = tomllib.loads(text)"),
        (toml_from_outside_has_one_reader, "\nfrom tomllib import load"),
        (files_from_outside_have_one_reader, "\nbody = file.read_text()"),
        (files_from_outside_have_one_reader, "\nwith path.open('rb') as file: ..."),
        (timestamps_have_one_reader, "\nat = datetime.fromisoformat(text)"),
        (timestamps_have_one_reader, "\nat: AwareDatetime"),
        (digits_are_ascii, "\nvalid = text.isdecimal()"),
        (digits_are_ascii, "\nvalid = all(map(str.isdigit, text))"),
        (digits_are_ascii, "\nNUMBER = re.compile(r'\\d+')"),
        (digits_are_ascii, "\nname: str = Field(pattern=r'^\\d$')"),
    ],
)
def test_a_second_reader_is_found(law: Law, text: str, tmp_path: Path) -> None:
    (fault,) = law(planted(tmp_path, {"functions/mail/hold.py": text}))
    assert fault.startswith("functions/mail/hold.py:2 ")


@pytest.mark.parametrize(
    "text",
    [
        "body = parse_json(text)",
        "registry.load('a')",
        "text = json.dumps(data)",
        "NUMBER = re.compile(r'\\d+', re.ASCII)",
        "at = clock.parse(row['at'])",
    ],
)
def test_other_calls_are_let_be(text: str, tmp_path: Path) -> None:
    tree = planted(tmp_path, {"functions/mail/hold.py": text})
    assert [fault for law in LAWS for fault in law(tree)] == []

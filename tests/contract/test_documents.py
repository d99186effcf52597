"""Documents: their code runs, the paths they name exist; map, glossary, requirements and decisions are complete."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from cli.commands import COMMANDS
from shared.aws.cloud import Cloud
from shared.job import registry
from shared.messages.run_batch import run_batch
from shared.observability.alert_kinds import KINDS
from shared.run.firing import Batch, Firing, parse
from shared.run.run import run
from shared.store import table
from shared.store.keys import RowKey
from shared.tables import ORGANIZATIONS
from tests.conftest import Lines, letters
from tests.contract.test_house_rules import ROOT
from tests.support.web_server import Reply, Web

DOCS = ROOT / "docs"
README, MAP, GLOSSARY = ROOT / "README.md", DOCS / "map.md", DOCS / "glossary.md"
FIRST_JOB, FIRST_CONSUMER = DOCS / "tutorial" / "first-job.md", DOCS / "tutorial" / "first-consumer.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
FOLDERS = "shared|functions|infra|local|workers|cli|tests|docs|benchmarks|proof|examples|events"
PATH = re.compile(rf"`((?:{FOLDERS})/[\w./-]+\.(?:py|md|toml|json|txt))`")
ALERT = re.compile(r'"((?:JOB|ROW|EFFECTS|QUEUE)_(?!MONITORING)[A-Z_]+)"')
REQUIREMENT = re.compile(r"\b(?:PF|EH|BJ|FS|QJ|KB)-\d\d\b")


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def block(path: Path, title: str) -> str:
    """The code block with this title."""
    found = re.findall(rf'^```\w+ title="{re.escape(title)}"\n(.*?)^```$', path.read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"{place(path)} has {len(found)} blocks titled {title}"
    return str(found[0])


@contextmanager
def module(path: Path, file: str) -> Iterator[ModuleType]:
    """Module of the name `file`, from the code block of a page."""
    made = ModuleType(file.removesuffix(".py").replace("/", "."))
    sys.modules[made.__name__] = made
    try:
        exec(compile(block(path, file), file, "exec"), vars(made))
        yield made
    finally:
        del sys.modules[made.__name__]


@pytest.mark.parametrize("page", [README, FIRST_JOB], ids=place)
@pytest.mark.parametrize(("reply", "ok"), [(Reply(200, "User-agent: *"), True), (Reply(404), False)])
def test_the_first_job_judges_a_site(page: Path, reply: Reply, ok: bool, cloud: Cloud, log: Lines) -> None:
    with module(page, "functions/sites/robots.py") as written, Web() as site:
        site.answers["/robots.txt"] = reply
        cloud.environment = {"BASE_URLS": json.dumps([site.url])}
        report = run(written.Robots(), Firing("robots", cloud.clock.now()), cloud, log)
    assert (report.outcome, report.ok, report.counts["hosts"]) == ("done", ok, 1)


def test_the_first_consumer_stores_a_receipt_once_and_dead_letters_an_unknown_organization(
    cloud: Cloud, log: Lines
) -> None:
    event = block(FIRST_CONSUMER, "events/orders/receipts.json")
    table.put(cloud, ORGANIZATIONS, {"pk": "org-1-0", "sk": "-", "state": "active"})
    cloud.sqs.create_queue(QueueName=cloud.names.queue("orders:receipts-dlq"))
    with module(FIRST_CONSUMER, "functions/orders/receipts.py") as written:
        for text in (event, event, event.replace("org-1-0", "org-unknown")):
            batch = parse("receipts", json.loads(text), cloud.clock.now())
            assert isinstance(batch, Batch)
            assert run_batch(written.Receipts(), batch, cloud, log, 60) == []
    assert table.get(cloud, ORGANIZATIONS, RowKey("org-1-0#receipts", "R-1001"))["cents"] == 4200
    [letter] = letters(cloud, "firings-dlq")
    assert letter["dead"]["error"] == "Invalid organization org-unknown"


@pytest.mark.parametrize("page", PAGES, ids=place)
def test_paths_that_a_document_names_exist(page: Path) -> None:
    assert [path for path in PATH.findall(page.read_text()) if not (ROOT / path).exists()] == []


def test_the_map_names_no_module_that_does_not_exist() -> None:
    bases = (ROOT, ROOT / "shared", ROOT / "shared" / "archetypes")
    paths = re.findall(r"`([a-z_]+/[a-z_/]+)`", MAP.read_text())
    assert [
        path for path in paths if not any((base / f"{path}{end}").exists() for base in bases for end in ("", ".py"))
    ] == []


def test_the_glossary_has_every_command_and_every_package_of_shared() -> None:
    text = GLOSSARY.read_text().lower()
    packages = {path.parent.name for path in (ROOT / "shared").glob("*/__init__.py")}
    missing = {word for word in {*COMMANDS, *packages} if not re.search(rf"\b{word.replace('_', '[ _]')}", text)}
    assert missing == set(), "explain them in docs/glossary.md"


def test_the_runbook_has_a_section_for_every_alert() -> None:
    files = [path for folder in ("shared", "functions") for path in (ROOT / folder).rglob("*.py")]
    sources = [path.read_text() for path in files if path.name != "alert_kinds.py"]
    alerts = {
        alert for text in sources if re.search(r"\bAlert\(|alerts\.send\(", text) for alert in ALERT.findall(text)
    }
    headings = " ".join(re.findall(r"^### (.+)$", (DOCS / "operate" / "runbook.md").read_text(), re.MULTILINE))
    assert len(alerts) > 6
    assert alerts - set(KINDS) == set(), "add them to shared/observability/alert_kinds.py"
    assert set(KINDS) == set(re.findall(r"[A-Z]+(?:_[A-Z]+)+", headings))
    assert [kind for kind in KINDS if not any(f'"{kind}"' in text for text in sources)] == []


def test_the_readme_has_the_number_of_the_jobs() -> None:
    assert re.findall(r"\*\*([0-9]+) jobs\*\*", README.read_text()) == [str(len(registry.discover({}).jobs))]


def test_every_requirement_that_is_cited_is_stated() -> None:
    stated = set(re.findall(r"^\| ([A-Z]{2}-\d\d) \|", (DOCS / "requirements.md").read_text(), re.MULTILINE))
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    cited = {
        requirement
        for name in files.split("\0")
        if name.endswith((".py", ".md")) and (ROOT / name).exists()
        for requirement in REQUIREMENT.findall((ROOT / name).read_text())
    }
    assert len(stated) > 50
    assert cited - stated == set()


def test_the_index_of_decisions_has_each_with_its_title() -> None:
    index = (DOCS / "decisions" / "README.md").read_text()
    for path in sorted((DOCS / "decisions").glob("0*.md")):
        title = path.read_text().partition("\n")[0].removeprefix("# ")
        assert f"| [{path.name[:4]}]({path.name}) | {title} |" in index

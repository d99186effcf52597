"""Templates of this tree and of one with more jobs, each synthesized once per session."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from infra import synth
from infra.template import Template

ROOT = Path(__file__).parents[2]
Templates = dict[str, Template]

CONSUMER = '''
"""A consumer that a test adds."""

from shared.archetypes.consumer import Consumer, Message
from shared.job.idempotency import upsert
from shared.messages.payload import Payload
from shared.aws.permissions import read_secret
from shared.job.setting import text
from shared.messages.tenant import Tenant
from shared.run.context import RunContext


class Parcel(Payload, encrypted=True):
    content: str


class Intake(Consumer[Parcel]):
    """Take what comes in."""

    queue = "grown:intake"
    timeout = 45
    batch_size = 100
    batch_window = 5
    concurrency = 7
    retention = "critical"
    idempotency = upsert("the same write again")
    permissions = (read_secret("grown-key"),)
    settings = (text("INTAKE_COLOUR", "blue", "Its colour"), text("INTAKE_SHAPE", "round", "Its shape"))

    def admits(self, tick: RunContext, tenant: Tenant) -> bool:
        return True

    def handle(self, tick: RunContext, message: Message[Parcel]) -> None:
        tick.log.info("taken", messageId=message.id)
'''
ZONED = '''
"""A job in a time zone that a test adds."""

from shared.job.idempotency import natural
from shared.job.definition import Job
from shared.job.outcome import Done, Outcome
from shared.job.schedule import daily
from shared.run.context import RunContext


class Breakfast(Job):
    """Lay the table."""

    schedule = daily(hour=7, minute=30, zone="Europe/Berlin")
    idempotency = natural("a laid table stays laid")

    def work(self, tick: RunContext) -> Outcome:
        return Done()
'''
TWICE = (
    ZONED.replace('daily(hour=7, minute=30, zone="Europe/Berlin")', 'cron("5 4 1 * 1")')
    .replace("import daily", "import cron")
    .replace("Breakfast", "Bins")
    .replace("Lay the table", "Put the bins out")
)
# Settings of the grown tree's deployer.
SETTINGS = {
    "INTAKE_COLOUR": "green",
    "INTAKE_RETENTION": "completed 1d 100, failed 20d 100",
    "PRICING_SCHEDULE": "7 3 * * 1; 30 7 * * * Europe/Berlin",
    "PRICING_RETRY": "fixed 9s, 3 attempts",
    "DOCS_SCHEDULE": "off",
}
ADDED = {"grown/intake": CONSUMER, "grown/breakfast": ZONED, "grown/bins": TWICE}
# A stage in an account with resources and rules of its own.
CORPORATE = """
production = true
secrets = ["grown-key"]

[account]
bucket = "corp-jobs"
alerts_topic = "arn:aws:sns:eu-west-1:123456789012:oncall"
kms_key = "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-1111-2222-3333-444455556666"
permissions_boundary = "arn:aws:iam::123456789012:policy/boundary"
subnets = ["subnet-0a1b2c3d", "subnet-0a1b2c3e"]
security_groups = ["sg-0a1b2c3d"]

[tags]
cost-center = "4711"
"""
SYNTHESIZED = {"templates", "grown", "corporate"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the first test of a worker wait for the templates, which takes minutes on a busy machine."""
    for item in items:
        if SYNTHESIZED & set(getattr(item, "fixturenames", ())) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def once(shared_folder: Path) -> Callable[..., Templates]:
    """Synthesize into a folder that all test workers share; the first of them does it."""

    def synthesized(name: str, stage: str, root: Path, *, nag: bool = False) -> Templates:
        folder = shared_folder / name
        with (shared_folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "manifest.json").exists():
                synth.synthesize(folder, stage, root=root, nag=nag)
        return synth.read(folder)

    return synthesized


@pytest.fixture(scope="session")
def templates(once: Callable[..., Templates]) -> Templates:
    """Templates of this tree, for production, checked by cdk-nag."""
    return once("templates", "prod", ROOT, nag=True)


@pytest.fixture(scope="session")
def grown_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this tree with one more group, of three jobs."""
    return grow(tmp_path_factory.mktemp("grown"))


@pytest.fixture(scope="session")
def grown(once: Callable[..., Templates], grown_tree: Path) -> Templates:
    """Templates of the grown tree, for a stage other than production."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in SETTINGS.items():
            environment.setenv(name, value)
        return once("templates-grown", "try", grown_tree)


@pytest.fixture(scope="session")
def corporate(once: Callable[..., Templates], grown_tree: Path) -> Templates:
    """Templates of the grown tree in an account that has its own bucket, topic, key, VPC and rules."""
    return once("templates-corp", "corp", grown_tree)


@pytest.fixture(scope="session")
def grown_folder(grown: Templates, shared_folder: Path) -> Path:
    assert grown
    return shared_folder / "templates-grown"


def grow(folder: Path) -> Path:
    skipped = shutil.ignore_patterns("__pycache__")
    for part in ("shared", "functions", "infra"):
        shutil.copytree(ROOT / part, folder / part, ignore=skipped)
    for part in ("cdk.json", "pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / part, folder / part)
    (folder / "stages").mkdir()
    (folder / "stages" / "try.toml").write_text('secrets = ["grown-key"]')
    (folder / "stages" / "corp.toml").write_text(CORPORATE)
    for path, source in ADDED.items():
        module = folder / "functions" / f"{path}.py"
        module.parent.mkdir(exist_ok=True)
        (module.parent / "__init__.py").touch()
        module.write_text(source)
    # The layer is the same: share its cache.
    (ROOT / ".local" / "assets").mkdir(parents=True, exist_ok=True)
    (folder / ".local").mkdir()
    (folder / ".local" / "assets").symlink_to(ROOT / ".local" / "assets")
    return folder

"""Jobs of plugins take the run path of all jobs; the samples are an installed package."""

from __future__ import annotations

import http.server
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from infra import roles
from infra.bundle import bundle
from infra.deployment import Deployment
from infra.platform import on_this_machine
from shared import clock as clocks
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.aws.names import Names
from shared.http import webhook
from shared.job import registry
from shared.job.definition import FINISH_SECONDS
from shared.plugins import job
from shared.plugins.host import workspaces
from shared.plugins.host.disk_workspace import DiskWorkspace
from shared.plugins.host.workspace import LARGEST
from shared.plugins.job import PluginJob, name_of
from shared.plugins.manifest import discovery
from shared.plugins.manifest.iam import exact, grants_of, widened
from shared.plugins.manifest.presets import plugin_workspace
from shared.run.firing import Firing, parse_firing
from shared.run.report import RunReport
from shared.run.run import run
from tests.conftest import Lines, VirtualClock, letters, waiting

HELLO, CLEANUP, REPORT = (f"kb-labs-plugin-template-{name}" for name in ("hello-cron", "cleanup", "daily-report"))
MANIFEST = """
id = "acme"
version = "1.0.0"
errors = "{errors}"
[permissions]
presets = [{{ plugin_workspace = "acme" }}]
[[jobs]]
id = "it"
schedule = "@hourly"
describe = "Do it."
handler = "acme:handle"
{more}
"""


@pytest.fixture
def files(tmp_path: Path, cloud: Cloud) -> DiskWorkspace:
    cloud.environment = {"KB_WORKSPACE": str(tmp_path / "workspace")}
    return DiskWorkspace(tmp_path / "workspace")


def ticked(name: PluginJob | str, cloud: Cloud, log: Lines, **changes: Any) -> RunReport:
    found = registry.find(name) if isinstance(name, str) else name
    at = cloud.clock.now().replace(second=0, microsecond=0)
    return run(found, replace(Firing(found.name, at, correlation_id="c"), **changes), cloud, log)


def acme(tmp_path: Path, code: str, more: str = "", errors: str = "") -> PluginJob:
    folder = tmp_path / "acme"
    folder.mkdir(exist_ok=True)
    (folder / "acme.py").write_text(f"import time, os\ndef handle(context):\n    {code}\n")
    path = folder / "plugin.toml"
    path.write_text(MANIFEST.format(more=more, errors=errors))
    from shared.plugins.manifest import manifest

    [made] = job.of([discovery.Plugin(manifest.read(path), path)], "functions.plugins.host")
    return made()


def test_hello_cron_writes_a_line_a_minute(cloud: Cloud, clock: VirtualClock, log: Lines, files: DiskWorkspace) -> None:
    for number in (1, 2):
        report = ticked(HELLO, cloud, log)
        assert json.loads(report.note) == {
            "ok": True,
            "message": f"Hello from cron! Run {number}",
            "executedAt": f"2026-03-02T12:0{number - 1}:00.000Z",
            "runCount": number,
        }
        clock.move(minutes=1)
    lines = files.read(".kb/template/cron.log").decode().splitlines()
    assert lines[0] == "[2026-03-02T12:00:00.000Z] Hello from cron! Run 1"
    assert len(lines) == 2
    made = cast(PluginJob, registry.find(HELLO))
    assert made.id == "@kb-labs/plugin-template:hello-cron"
    limits = made.permitted.limits
    assert (limits.timeout_ms, limits.memory_mb, limits.cpu_ms) == (10_000, 64, 5_000)


def test_cleanup_deletes_files_older_than_seven_days(
    cloud: Cloud, clock: VirtualClock, log: Lines, files: DiskWorkspace
) -> None:
    now = clock.now().replace(second=0, microsecond=0)
    week = timedelta(days=7)
    for name, age in (("old", timedelta(days=8)), ("deep/old", week + timedelta(seconds=1)), ("new", week)):
        files.write(f".kb/template/cache/{name}", b"1")
        stamp = (now - age).timestamp()
        os.utime(files.root / ".kb/template/cache" / name, (stamp, stamp))
    files.write(".kb/template/other", b"1")
    assert json.loads(ticked(CLEANUP, cloud, log).note) == {"ok": True, "cleaned": 2}
    assert [entry.path for entry in files.list(".kb/template/cache")] == [".kb/template/cache/new"]
    clock.move(days=1)
    files.delete(".kb/template/cache/new")
    assert json.loads(ticked(CLEANUP, cloud, log).note) == {"ok": True, "cleaned": 0}


def test_daily_report_writes_the_same_file_again(cloud: Cloud, log: Lines, files: DiskWorkspace) -> None:
    ticked(HELLO, cloud, log)
    report = ticked(REPORT, cloud, log)
    assert json.loads(report.note) == {"ok": True, "reportPath": ".kb/template/reports/daily-2026-03-02.json"}
    written = json.loads(files.read(".kb/template/reports/daily-2026-03-02.json"))
    assert (written["date"], written["runs"]) == ("2026-03-02", 1)


@pytest.mark.parametrize("last", [0, 1])
def test_daily_report_counts_the_runs_of_a_whole_day(
    last: int, cloud: Cloud, clock: VirtualClock, log: Lines, files: DiskWorkspace
) -> None:
    clock.instant = clock.now().replace(hour=1)
    first = clock.now() - timedelta(days=2)
    stamps = [clocks.iso(first + timedelta(minutes=minute)) for minute in range(2 * 1440 + last)]
    lines = [*(f"[{stamp}] Hello\n" for stamp in stamps), "[soon] no line\n"]
    files.write(".kb/template/cron.log", "".join(lines).encode())
    assert ticked(REPORT, cloud, log).outcome == "done"
    assert json.loads(files.read(".kb/template/reports/daily-2026-03-02.json"))["runs"] == 1440


def test_without_a_folder_the_workspace_is_in_the_bucket(cloud: Cloud, log: Lines) -> None:
    assert ticked(HELLO, cloud, log).outcome == "done"
    key = "workspace/.kb/template/cron.log"
    assert b"Run 1" in cloud.s3.get_object(Bucket=cloud.names.bucket, Key=key)["Body"].read()


def test_a_plugin_job_is_loaded_by_the_path_of_its_function() -> None:
    made = registry.find(HELLO)
    assert made.place == f"plugins/host:{HELLO}"
    assert registry.load(made.place).name == HELLO
    assert made.env == "KB_LABS_PLUGIN_TEMPLATE_HELLO_CRON"


@pytest.mark.parametrize(
    ("plugin", "given", "name"),
    [
        ("@kb-labs/plugin-template", "hello-cron", HELLO),
        ("7zip", "x", "p-7zip-x"),
        ("@a-very-long/plugin-name", "with-a-job-of-a-long-name", "a-very-long-plugin-name-with-a-24cf0df1"),
    ],
)
def test_an_id_becomes_a_valid_function_name(plugin: str, given: str, name: str) -> None:
    assert name_of(plugin, given)[:31] == name[:31]
    assert len(name_of(plugin, given)) <= 40


def test_a_failing_plugin_is_attempted_three_times_and_dead_lettered(
    cloud: Cloud, clock: VirtualClock, log: Lines, files: DiskWorkspace, tmp_path: Path
) -> None:
    made = acme(tmp_path, "1 / 0")
    firing = Firing("acme-it", clock.now().replace(second=0, microsecond=0), correlation_id="c")
    attempts = []
    while True:
        attempts.append(firing.attempt)
        assert run(made, firing, cloud, log).outcome == "failed"
        sent = waiting(cloud)
        if not sent:
            break
        clock.move(minutes=1)
        firing = parse_firing(sent[0]["firing"], clock.now(), made.name)
    assert attempts == [1, 2, 3]
    [letter] = letters(cloud, "firings-dlq")
    assert letter["dead"]["error"] == "PluginFailed: ZeroDivisionError: division by zero"
    assert "in handle" in log.said("plugin_failed")[0]["stack"]


@pytest.mark.parametrize(
    ("code", "more", "begins"),
    [
        ("time.sleep(60)", "timeout = 200", "WallClockExceeded: killed after 200 ms"),
        (
            "while True: pass",
            "[jobs.permissions.quotas]\ncpuMs = 100",
            "CpuExceeded: killed for using more than 100 ms",
        ),
        ("' ' * 10**9", "[jobs.permissions.quotas]\nmemoryMb = 32", "MemoryExceeded: requested more than 32 MB"),
        ("open('/etc/passwd')", "", "PluginFailed: FsDenied: FS access denied: '/etc/passwd'"),
    ],
)
def test_each_kind_of_failure_is_recorded_with_its_error(
    cloud: Cloud, log: Lines, files: DiskWorkspace, tmp_path: Path, code: str, more: str, begins: str
) -> None:
    report = ticked(acme(tmp_path, code, f"retries = 0\n{more}"), cloud, log)
    assert report.outcome == "failed"
    assert report.note.startswith(begins)


def test_a_plugin_has_no_more_time_than_its_run_has_left(
    cloud: Cloud,
    clock: VirtualClock,
    log: Lines,
    files: DiskWorkspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = acme(tmp_path, "time.sleep(60)", "timeout = 60_000\nretries = 0")
    began, open_at = clock.now(), workspaces.open_at

    def open_late(*where: Any) -> Any:
        # By the virtual clock only: the deadline of the whole run is real, and far from the plugin's start.
        clock.instant = began + timedelta(seconds=made.timeout - FINISH_SECONDS * 1.5 - 0.5)
        return open_at(*where)

    monkeypatch.setattr(workspaces, "open_at", open_late)
    report = ticked(made, cloud, log)
    assert report.note.startswith("WallClockExceeded: killed after 500 ms")


def test_a_bad_verdict_is_no_failure(cloud: Cloud, log: Lines, files: DiskWorkspace, tmp_path: Path) -> None:
    report = ticked(acme(tmp_path, "return {'ok': False}"), cloud, log)
    assert (report.outcome, report.ok) == ("done", False)


def test_a_plugin_in_the_hosts_process_still_has_its_permissions_enforced(
    cloud: Cloud, log: Lines, files: DiskWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "canary")
    cloud.environment = {**cloud.environment, "KB_JOBS_DEBUG": "true"}
    code = """kinds = []
    for attempt in (
        lambda: open("/etc/passwd"), lambda: os.environ["SECRET_OF_OURS"], lambda: os.system("id"),
        lambda: os.listdir("/"), lambda: context.fs.read("../x"), lambda: os.getenv("SECRET_OF_OURS"),
        lambda: __import__("socket").create_connection(("127.0.0.1", 1)),
        lambda: __import__("threading").Thread(target=print).start(),
    ):
        try:
            kinds.append(repr(attempt()))
        except PermissionError as error:
            kinds.append(str(error).split(" access")[0])
    context.fs.write(".kb/acme/x", "1")
    return [kinds, os.getpid()]"""
    report = ticked(acme(tmp_path, code), cloud, log)
    kinds, pid = json.loads(report.note)
    assert kinds == ["FS", "Env", "Shell", "FS", "FS", "Env", "Net", "Native"]
    assert pid == os.getpid()
    assert os.environ["SECRET_OF_OURS"] == "canary"
    assert Path("/etc/passwd").read_text()
    assert files.read(".kb/acme/x") == b"1"


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[Any]]]:
    got: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            got.append((dict(self.headers), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got
    server.shutdown()
    server.server_close()


def test_errors_are_posted_signed_to_the_url_of_the_manifest(
    cloud: Cloud, clock: VirtualClock, log: Lines, files: DiskWorkspace, tmp_path: Path, receiver: tuple[str, list[Any]]
) -> None:
    url, got = receiver
    key = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    cloud.secrets.create_secret(Name=cloud.names.secret("plugin-webhook"), SecretString=key)
    ticked(acme(tmp_path, "1 / 0", errors=url), cloud, log, attempt=3)
    [(headers, body)] = got
    assert webhook.verify([key], headers, body, clock.now())
    told = json.loads(body)["data"]
    assert (told["job"], told["attempt"], told["last"], told["quota"]) == ("acme:it", 3, True, False)
    assert told["error"] == "PluginFailed: ZeroDivisionError: division by zero"


def test_a_webhook_that_fails_changes_nothing(cloud: Cloud, log: Lines, files: DiskWorkspace, tmp_path: Path) -> None:
    report = ticked(acme(tmp_path, "1 / 0", errors="http://localhost:1/hook"), cloud, log)
    assert "ZeroDivisionError" in report.note
    assert log.said("plugin_webhook_failed")


def test_its_role_follows_from_its_manifest() -> None:
    names = Names("prod", "123456789012", "eu-west-1")
    said = roles.statements(names, grants_of(plugin_workspace("x")))
    objects = f"arn:aws:s3:::{names.bucket}/workspace"
    by = {(statement["Effect"], statement["Action"][0]): statement for statement in said}
    assert by["Allow", "s3:GetObject"]["Resource"] == [
        f"{objects}/*/package.json",
        f"{objects}/.kb/x",
        f"{objects}/.kb/x/*",
        f"{objects}/package.json",
    ]
    assert by["Allow", "s3:PutObject"]["Resource"] == by["Allow", "s3:DeleteObject"]["Resource"]
    assert by["Allow", "s3:ListBucket"]["Condition"] == {"StringLike": {"s3:prefix": "workspace/.kb/x/*"}}
    denied = by["Deny", "s3:GetObject"]["Resource"]
    assert f"{objects}/*.key" in denied
    assert f"{objects}/*/.git/*" in denied
    assert f"{objects}/.git/*" in denied


def test_globs_that_iam_cannot_express_are_widened_or_left_to_the_broker() -> None:
    assert list(widened("**/a/**/b*.c")) == ["a/b*.c", "*/a/b*.c", "a/*/b*.c", "*/a/*/b*.c"]
    assert list(exact("a/*.key")) == []
    assert list(exact("**/*.key")) == ["*.key"]
    assert list(exact("a/b")) == ["a/b"]


def test_a_bundle_carries_the_plugin_and_finds_it_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import zipfile

    known = {name: made for name, made in registry.jobs().items() if made.group == "plugins"}
    deployment = Deployment(Names("prod", "123456789012", "eu-west-1"), known, on_this_machine(), {})
    packed = bundle("plugins", deployment, with_manifest=False, folder=tmp_path / "assets")
    with zipfile.ZipFile(packed.path) as archive:
        archive.extractall(tmp_path / "task")
    monkeypatch.setattr(discovery, "SHIPPED", tmp_path / "task" / "shipped_plugins")
    [plugin] = discovery.plugins({"KB_PLUGIN_MANIFESTS": "/no/such.toml"})
    assert plugin.id == "@kb-labs/plugin-template"
    assert plugin.root == tmp_path / "task" / "shipped_plugins" / "kb-labs.plugin-template"


def test_runs_of_a_plugin_are_in_the_history(cloud: Cloud, log: Lines, files: DiskWorkspace) -> None:
    report = ticked(HELLO, cloud, log)
    key = attributes.row({"pk": f"runs#{HELLO}#2026-03-02", "sk": report.run_id})
    row = attributes.plain(cloud.dynamodb.get_item(TableName=cloud.names.table("state"), Key=key)["Item"])
    assert (row["outcome"], json.loads(row["note"])["runCount"]) == ("done", 1)


def test_the_log_of_hello_cron_is_cut_before_it_reaches_the_limit_of_a_file(
    cloud: Cloud, clock: VirtualClock, log: Lines, files: DiskWorkspace
) -> None:
    line = b"[2026-01-01T00:00:00.000Z] Hello from cron! Run 123456\n"
    files.write(".kb/template/cron.log", line * (LARGEST // len(line)))
    assert ticked(HELLO, cloud, log).outcome == "done"
    lines = files.read(".kb/template/cron.log").splitlines()
    assert len(lines) == 4001
    assert b"2026-03-02" in lines[-1]


def test_cleanup_deletes_more_files_than_one_page_lists(cloud: Cloud, log: Lines, files: DiskWorkspace) -> None:
    (folder := files.root / ".kb/template/cache").mkdir(parents=True)
    for number in range(2100):
        (folder / f"{number}").touch()
        os.utime(folder / f"{number}", (0, 0))
    (folder / "line\nfeed").touch()
    assert json.loads(ticked(CLEANUP, cloud, log).note) == {"ok": True, "cleaned": 2100}
    assert [path.name for path in folder.iterdir()] == ["line\nfeed"]
    assert "1 entries are left out" in json.dumps(log.lines)

"""The deployed templates on the local cloud: functions in processes of their own, killed and crashed on purpose."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from local.cloud import LocalCloud
from local.engine.engine import ROOT
from shared.aws import attributes
from tests.support.function_url import refused
from tests.support.web_server import Held, Reply, Web

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("e2e")]
TABLE = "nightshift-local-state"
PRICES = Reply(200, "<p>9.90 EUR a month</p>")


@pytest.fixture(scope="module")
def site() -> Iterator[Web]:
    with Web() as web:
        yield web


@pytest.fixture(scope="module")
def cloud(site: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    # Deployed so that functions can send jobs to Celery; the test of switching begins inline.
    settings = {"BASE_URLS": json.dumps([site.url]), "SAMPLE_CRASH_ENABLE": "true", "DOCS_RUN_BY": "celery"}
    with LocalCloud(tmp_path_factory.mktemp("cloud"), firing=False, settings=settings) as started:
        yield started


def until(answer: Callable[[], Any], seconds: float = 60) -> Any:
    """Call `answer` until it returns something truthy, and return that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := answer():
            return found
        time.sleep(0.1)
    pytest.fail(f"nothing came of it in {seconds} s")


def under(cloud: LocalCloud, pk: str) -> list[dict[str, Any]]:
    found = cloud.client("dynamodb").query(
        TableName=TABLE,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=attributes.row({":pk": pk}),
        ConsistentRead=True,
    )
    return [attributes.plain(item) for item in found["Items"]]


def history(cloud: LocalCloud, job: str) -> list[dict[str, Any]]:
    return under(cloud, f"runs#{job}#{datetime.now(UTC):%Y-%m-%d}")


def processes(cloud: LocalCloud, job: str) -> list[dict[str, Any]]:
    return cloud.engine.processes(f"nightshift-local-{job}")


def test_a_killed_run_is_lost_and_its_retry_succeeds(cloud: LocalCloud, site: Web) -> None:
    site.answers["/pricing"] = held = Held(PRICES)
    cloud.ticker.fire("nightshift-local-pricing", datetime.now(UTC) - timedelta(minutes=1))
    assert held.asked.wait(60)
    [item] = under(cloud, "pricing:last")
    assert item["state"] == "PROCESSING"
    [process] = processes(cloud, "pricing")
    os.kill(process["pid"], signal.SIGKILL)
    held.released.set()

    runs = until(
        lambda: [row for row in history(cloud, "pricing") if row["outcome"] == "done"] and history(cloud, "pricing")
    )
    assert [(row["outcome"], row.get("attempt")) for row in runs][-1] == ("done", 2)
    assert runs[0]["outcome"] == "lost"
    assert "signal: killed" in runs[0]["note"]
    assert runs[0]["sk"] == item["holder"]
    [host] = [item for item in under(cloud, "pricing:last") if item["sk"] != "-"]
    assert host["status"]["ok"] is True


@pytest.mark.parametrize(
    ("kind", "outcome", "says"),
    [
        ("raise", "failed", "SampleCrash: attempt 3 crashed on purpose"),
        ("exit", "lost", "Runtime.ExitError"),
        ("memory", "lost", "signal: killed"),
        ("hang", "lost", "timed out after 10.00 seconds"),
    ],
)
def test_each_way_to_crash_is_tried_three_times_and_kept_as_a_dead_letter(
    cloud: LocalCloud, kind: str, outcome: str, says: str
) -> None:
    functions, before = cloud.client("lambda"), len(history(cloud, "crash"))
    name = "nightshift-local-crash"
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**variables, "SAMPLE_CRASH_KIND": kind}}
    )
    dead = {row["id"] for row in under(cloud, "dead#crash")}
    firing = {"job": "crash", "at": datetime.now(UTC).isoformat(), "manual": True, "id": f"crash by {kind}"}
    functions.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps({"firing": firing}))

    [letter] = until(lambda: [row for row in under(cloud, "dead#crash") if row["id"] not in dead], 120)
    assert letter["reason"] == "all 3 attempts used up"
    assert says in letter["error"]
    runs = history(cloud, "crash")[before:]
    assert [run["outcome"] for run in runs] == [outcome] * 3
    body = cloud.client("s3").get_object(
        Bucket=f"nightshift-local-artifacts-{cloud.engine.account}-us-east-1", Key=letter["payload"]
    )["Body"]
    assert json.load(body)["dead"]["job"] == "crash"


def ask(cloud: LocalCloud, path: str, token: str = "", method: str = "GET") -> tuple[int, Any]:
    request = urllib.request.Request(cloud.function_urls["trigger"].rstrip("/") + path, method=method)
    if token:
        request.add_header("X-Internal-Health", token)
    try:
        with urllib.request.urlopen(request, timeout=40) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_break_glass_requires_the_token(cloud: LocalCloud, site: Web) -> None:
    site.answers["/pricing"] = PRICES
    secret = cloud.client("secretsmanager").get_secret_value(SecretId="nightshift/local/internal-health-token")
    token = secret["SecretString"]
    for wrong in ("", "wrong"):
        assert refused(ask(cloud, "/__cron/run/pricing", wrong)) == (403, "forbidden", "forbidden")
    status, body = ask(cloud, "/__cron/run/pricing", token, "POST")
    assert (status, body["job"], body["outcome"], body["ok"]) == (200, "pricing", "done", True)
    assert ask(cloud, "/__cron/run/nothing", token)[0] == 404
    assert ask(cloud, "/__cron/run/%70ricing", token)[0] == 404
    status, board = ask(cloud, "/__cron/run/status", token)
    assert status == 200
    assert any(key.startswith("pricing:last:127.0.0.1:") for key in board)


def switch(cloud: LocalCloud, by: str) -> None:
    """Change the runtime of `docs` as an operator does at the console, without a deployment."""
    functions, name = cloud.client("lambda"), "nightshift-local-docs"
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**variables, "DOCS_RUN_BY": by}}
    )


WORKERS = {
    "worker": ("jobs.py", "worker"),
    "celery": ("-m", "celery", "-A", "workers.celery", "worker", "-Q", "nightshift", "-c", "1"),
}


@contextmanager
def worker(cloud: LocalCloud, by: str) -> Iterator[None]:
    """Run a worker of that kind during the block; none for functions."""
    if by not in WORKERS:
        yield
        return
    here = cloud.engine.environment(os.environ) | {
        "NIGHTSHIFT_LOCAL": str(cloud.folder),
        "NIGHTSHIFT_STAGE": "local",
        "NIGHTSHIFT_ACCOUNT": cloud.engine.account,
        "AWS_REGION": cloud.engine.region,
        "BASE_URLS": cloud.deployment.settings["BASE_URLS"],
    }
    process = subprocess.Popen([sys.executable, *WORKERS[by]], cwd=ROOT, env=here, start_new_session=True)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def of_tick(cloud: LocalCloud, tick: datetime) -> dict[str, dict[str, Any]]:
    """Outcome -> row."""
    return {row["outcome"]: row for row in history(cloud, "docs") if row.get("tick") == f"{tick:%Y-%m-%dT%H:%MZ}#00"}


def left_behind(cloud: LocalCloud, row: dict[str, Any]) -> Any:
    """Rows of this run, without ids, times and the tick."""
    bucket = f"nightshift-local-artifacts-{cloud.engine.account}-us-east-1"
    artifact = json.load(cloud.client("s3").get_object(Bucket=bucket, Key=row["artifact"])["Body"])
    return [lasting(one) for one in (*under(cloud, "docs-registry:last"), row, artifact)]


def lasting(data: Any) -> Any:
    fleeting = {"run", "started", "at", "ms", "invocation", "sk", "correlationId", "expires", "artifact"}
    fleeting |= {"lastGood", "failingSince", "ended", "ended_for", "latest", "recent"}
    moved = {"tick", "last_attempt", "last", "fence"}
    if isinstance(data, Mapping):
        return {name: lasting(value) for name, value in data.items() if name not in fleeting | moved}
    return data


def test_a_job_writes_the_same_rows_on_every_runner_and_is_switched_without_a_deployment(
    cloud: LocalCloud, site: Web
) -> None:
    site.answers |= {"/docs/": Reply(200, '<a href="/docs/start">Start</a>'), "/docs/start": Reply(200, "Go.")}
    first, left = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5), []
    for number, by in enumerate(("inline", "queue", "worker", "celery", "inline")):
        tick = first + timedelta(minutes=number)
        switch(cloud, by)
        cloud.ticker.fire("nightshift-local-docs", tick)
        if by in WORKERS:
            until(partial(of_tick, cloud, tick))
            assert set(of_tick(cloud, tick)) == {"enqueued"}
        with worker(cloud, by):
            until(lambda tick=tick: "done" in of_tick(cloud, tick))  # type: ignore[misc]
        rows_of_it = of_tick(cloud, tick)
        assert set(rows_of_it) == ({"done"} if by == "inline" else {"done", "enqueued"})
        assert by == "inline" or rows_of_it["enqueued"]["note"] == f"to be run by {by}"
        left.append(left_behind(cloud, rows_of_it["done"]))
    assert left == [left[0]] * 5
    assert left[0][-1]["links"] == 1

"""Local cloud with the real CDK command line, deployed once for all tests here."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.cloud import AlreadyRunning, LocalCloud
from local.deploy import DeployError, LocalDeployment
from local.engine.engine import ROOT, Engine
from local.running import running
from local.session import end_session
from tests.local.conftest import deployed_once

SAMPLE = Path(__file__).with_name("sample")
# A deployment takes 10 s on an idle machine.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deployed_once(tmp_path_factory, "cloud", root=SAMPLE, settings={"WORD": "first"})


@pytest.fixture
def folder(deployed: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(deployed, tmp_path / "cloud", symlinks=True))


@pytest.fixture(scope="module")
def cloud(deployed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    copy = shutil.copytree(deployed, tmp_path_factory.mktemp("own") / "cloud", symlinks=True)
    with LocalCloud(Path(copy), root=SAMPLE, settings={"WORD": "first"}) as started:
        yield started


def take(cloud: LocalCloud, queue: str) -> Any:
    sqs = cloud.client("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return json.loads(message["Body"])


def test_nothing_is_deployed_where_nothing_changed(cloud: LocalCloud) -> None:
    assert cloud.took == {}


def test_a_rule_reaches_its_function_and_the_failure_its_queue(cloud: LocalCloud) -> None:
    assert cloud.ticker.fire("sample-rule")
    record = take(cloud, "sample-failures")
    assert record["requestPayload"]["detail-type"] == "Scheduled Event"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["responsePayload"]["errorType"] == "ValueError"


def test_a_schedule_keeps_its_time_zone_and_its_input(cloud: LocalCloud) -> None:
    (schedule,) = [source for source in cloud.ticker.sources() if source.name == "sample-schedule"]
    assert schedule.zone == "Europe/Berlin"
    assert cloud.ticker.fire("sample-schedule")
    assert take(cloud, "sample-failures")["requestPayload"].keys() == {"time"}


def test_a_function_url_responds(cloud: LocalCloud) -> None:
    with urllib.request.urlopen(f"{cloud.function_urls['trigger']}/a%2Fb", timeout=10) as answer:
        assert json.loads(answer.read()) == {"path": "/a%2Fb", "word": "first"}


def test_table_and_secret_are_as_the_template_declares(cloud: LocalCloud) -> None:
    ttl = cloud.client("dynamodb").describe_time_to_live(TableName="sample-state")["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    assert cloud.client("secretsmanager").get_secret_value(SecretId="sample-token")["SecretString"].isalnum()


def test_another_process_finds_it(cloud: LocalCloud) -> None:
    found = running(cloud.folder)
    assert found
    assert (found.endpoint, found.function_urls, found.pid) == (cloud.engine.endpoint, cloud.function_urls, os.getpid())
    assert found.client("sqs").list_queues()["QueueUrls"]


def test_a_second_local_cloud_is_refused_while_one_runs(cloud: LocalCloud) -> None:
    with pytest.raises(AlreadyRunning, match=str(os.getpid())), LocalCloud(cloud.folder, root=SAMPLE):
        pass


def test_a_function_logs_to_a_file(cloud: LocalCloud) -> None:
    cloud.ticker.fire("sample-rule")
    take(cloud, "sample-failures")
    assert "ValueError" in (cloud.folder / "logs" / "nightshift-local-trigger.log").read_text()


OWNER = """
import sys, time
from pathlib import Path
from local.cloud import LocalCloud
with LocalCloud(Path(sys.argv[1]), root=Path(sys.argv[2]), settings={"WORD": "first"}) as cloud:
    print(cloud.engine.pid, flush=True)
    time.sleep(60)
"""


def test_a_killed_local_cloud_is_not_found_and_leaves_no_process(folder: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder), str(SAMPLE)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert owner.stdout
    engine = int(owner.stdout.readline())
    try:
        assert running(folder)
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        assert (folder / "endpoint.json").exists()
        assert running(folder) is None
    finally:
        owner.stdout.close()
        end_session(engine)


def test_a_file_of_an_ended_process_is_ignored(cloud: LocalCloud, tmp_path: Path) -> None:
    gone = subprocess.Popen(["/bin/sleep", "0"])
    gone.wait()
    found = json.loads((cloud.folder / "endpoint.json").read_text()) | {"pid": gone.pid}
    (tmp_path / "endpoint.json").write_text(json.dumps(found))
    assert running(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", '{"pid": 1}', '{"endpoint": 5}'])
def test_an_invalid_file_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / "endpoint.json").write_text(text)
    assert running(tmp_path) is None


def test_a_changed_setting_is_deployed_and_what_is_stored_stays(folder: Path) -> None:
    with LocalCloud(folder, root=SAMPLE, settings={"WORD": "first"}) as cloud:
        cloud.client("dynamodb").put_item(TableName="sample-state", Item={"pk": {"S": "kept"}})
    with LocalCloud(folder, root=SAMPLE, settings={"WORD": "second"}) as cloud:
        assert set(cloud.took) == {"synth", "deploy"}
        with urllib.request.urlopen(f"{cloud.function_urls['trigger']}/", timeout=10) as answer:
            assert json.loads(answer.read())["word"] == "second"
        assert cloud.client("dynamodb").scan(TableName="sample-state")["Count"] == 1


def test_a_template_that_cannot_be_made_shows_the_apps_own_error(tmp_path: Path) -> None:
    root = tmp_path / "app"
    root.mkdir()
    (root / "cdk.json").write_text('{"app": "python3 app.py"}')
    (root / "app.py").write_text("raise SystemExit('there is no such group')")
    with Engine(tmp_path / "state") as engine, pytest.raises(DeployError) as failed:
        LocalDeployment(engine, root).run()
    assert "cdk synth ended with 1" in str(failed.value)
    assert "there is no such group" in str(failed.value)


def test_a_property_that_would_be_dropped_stops_before_anything_is_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def synthesize(deployment: LocalDeployment) -> None:
        deployment.assembly.mkdir()
        table = {"Type": "AWS::DynamoDB::Table", "Properties": {"TimeToLife": True}}
        (deployment.assembly / "state.template.json").write_text(json.dumps({"Resources": {"Table": table}}))

    monkeypatch.setattr(LocalDeployment, "_synthesize", synthesize)
    monkeypatch.setattr(LocalDeployment, "_bootstrap", lambda _: None)
    with Engine(tmp_path / "state") as engine:
        deployment = LocalDeployment(engine, tmp_path)
        with pytest.raises(DeployError, match="TimeToLife"):
            deployment.run()
        assert "deploy" not in deployment.took


def test_a_rule_that_cannot_fire_is_refused_at_the_start(folder: Path) -> None:
    with LocalCloud(folder, root=SAMPLE, settings={"WORD": "first"}, firing=False) as cloud:
        target = {"Id": "shaped", "Arn": "arn:aws:sqs:us-east-1:000000000000:sample-dead", "InputPath": "$.time"}
        cloud.client("events").put_targets(Rule="sample-rule", Targets=[target])
    with (
        pytest.raises(DeployError, match="sample-rule"),
        LocalCloud(folder, root=SAMPLE, settings={"WORD": "first"}, firing=False),
    ):
        pass
    assert running(folder) is None

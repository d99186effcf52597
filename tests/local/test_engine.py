"""Process of the engine: address, environment, and its end with all children."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from local.clients import client, environment
from local.engine.engine import ROOT, Engine, EngineError
from local.session import _pids, end_session
from tests.local.conftest import archive, eventually

SLEEPS = """
    import os, subprocess, time

    def handle(event, context):
        subprocess.Popen(["/bin/sleep", "60"])
        time.sleep(event["sleep"])
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(tmp_path / "state") as started:
        yield started


def function(engine: Engine, source: str) -> None:
    engine.client("lambda").create_function(
        FunctionName="job",
        Runtime="python3.13",
        Handler="app.handle",
        Timeout=60,
        Role="arn:aws:iam::000000000000:role/r",
        Code={"ZipFile": archive(source)},
    )


def start(engine: Engine, event: dict[str, Any]) -> Any:
    """Process of a running invocation."""
    engine.client("lambda").invoke(FunctionName="job", InvocationType="Event", Payload=json.dumps(event))
    return eventually(lambda: [one for one in engine.processes("job") if one["request_id"]])[0]


def session(leader: int) -> list[int]:
    found = []
    for pid in _pids():
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(pid) == leader and not _is_zombie(pid):
                found.append(pid)
    return found


def _is_zombie(pid: int) -> bool:
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return not shown.stdout.strip() or shown.stdout.strip().startswith("Z")


def test_it_answers_on_the_loopback_address_alone(engine: Engine) -> None:
    port = int(engine.endpoint.rsplit(":", 1)[1])
    shown = Path("/proc/net/tcp")
    if not shown.exists():
        pytest.skip("reads /proc/net/tcp")
    lines = [line.split() for line in shown.read_text().splitlines()[1:]]
    assert [line[1] for line in lines if line[1].endswith(f":{port:04X}") and line[3] == "0A"] == [
        f"0100007F:{port:04X}"
    ]


def test_its_environment_has_no_aws_variables_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
    monkeypatch.setenv("TOKEN", "mine")
    with Engine(tmp_path / "state") as engine:
        given = Path(f"/proc/{engine.pid}/environ")
        if not given.exists():
            pytest.skip("reads /proc")
        seen = dict(entry.split("=", 1) for entry in given.read_text().split("\0") if entry)
        assert set(seen) == {"HOME", "LANG", "PATH", "PYTHONPATH", "TMPDIR", "AWS_SECRET_ACCESS_KEY"}
        assert "mine" not in seen.values()
        assert seen["HOME"] == str(engine.folder)


def test_a_client_does_not_reach_the_users_account() -> None:
    base = {"AWS_PROFILE": "mine", "AWS_SESSION_TOKEN": "mine", "PATH": "/bin", "BASE_URLS": "[]"}
    given = environment("http://127.0.0.1:1", "token", base)
    assert "mine" not in given.values()
    assert (given["PATH"], given["BASE_URLS"], given["AWS_ENDPOINT_URL"]) == ("/bin", "[]", "http://127.0.0.1:1")
    assert given["AWS_CONFIG_FILE"] == given["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull


def test_two_engines_run_at_once_and_share_nothing(engine: Engine, tmp_path: Path) -> None:
    with Engine(tmp_path / "other" / "state") as other:
        engine.client("sqs").create_queue(QueueName="mine")
        assert other.client("sqs").list_queues().get("QueueUrls", []) == []


def test_one_folder_serves_one_engine(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.engine.engine.STOP_SECONDS", 0.2)
    with pytest.raises(EngineError, match="Another local cloud"):
        Engine(engine.folder).start()


def test_it_reuses_its_last_port_unless_that_is_in_use(tmp_path: Path) -> None:
    with Engine(tmp_path / "state") as first:
        endpoint = first.endpoint
        first.client("sqs").create_queue(QueueName="work")
    with Engine(tmp_path / "state") as second:
        assert second.endpoint == endpoint
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(endpoint.rsplit(":", 1)[1])))
        taken.listen()
        with Engine(tmp_path / "state") as third:
            assert third.endpoint != endpoint
            sqs = third.client("sqs")
            url = sqs.get_queue_url(QueueName="work")["QueueUrl"]
            assert url.startswith(third.endpoint)
            sqs.send_message(QueueUrl=url, MessageBody="x")
            assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "x"


def test_an_engine_that_cannot_start_reports_the_reason(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "saved").write_text("a file where a folder must be")
    with pytest.raises(EngineError, match="FileExistsError"):
        Engine(tmp_path / "state").start()


def test_stopping_leaves_no_process_and_no_temporary_folder(tmp_path: Path) -> None:
    with Engine(tmp_path / "state") as engine:
        function(engine, SLEEPS)
        start(engine, {"sleep": 50})
        leader = engine.pid
        assert len(session(leader)) >= 3
    assert session(leader) == []
    assert not (tmp_path / "state" / "tmp").exists()


def test_functions_end_with_a_killed_engine(engine: Engine) -> None:
    function(engine, SLEEPS)
    start(engine, {"sleep": 50})
    leader = engine.pid
    os.kill(leader, signal.SIGKILL)
    engine.stop()
    assert session(leader) == []


OWNER = """
import json, sys, time
from pathlib import Path
from local.engine.engine import Engine
with Engine(Path(sys.argv[1])) as engine:
    print(json.dumps({"engine": engine.pid, "endpoint": engine.endpoint, "token": engine.token}), flush=True)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        pass
"""


@pytest.fixture
def owned(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """A process with an engine, in another process group, as under a terminal."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "state")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        process_group=0,
    )
    assert owner.stdout
    said = json.loads(owner.stdout.readline())
    yield owner, said
    owner.kill()
    owner.wait()
    owner.stdout.close()
    end_session(said["engine"])


def test_an_owner_that_is_killed_leaves_nothing_running(owned: tuple[subprocess.Popen[str], Any]) -> None:
    owner, said = owned
    owner.kill()
    eventually(lambda: session(said["engine"]) == [], 15)


def test_ctrl_c_ends_owner_and_engine_and_saves(owned: tuple[subprocess.Popen[str], Any], tmp_path: Path) -> None:
    owner, said = owned
    client("sqs", said["endpoint"], said["token"]).create_queue(QueueName="kept")
    os.killpg(owner.pid, signal.SIGINT)
    assert owner.wait(15) == 0
    assert session(said["engine"]) == []
    with Engine(tmp_path / "state") as engine:
        assert len(engine.client("sqs").list_queues()["QueueUrls"]) == 1


def test_an_invocation_that_the_stop_interrupts_has_a_failure_record(tmp_path: Path) -> None:
    with Engine(tmp_path / "state") as engine:
        function(engine, SLEEPS)
        engine.client("sqs").create_queue(QueueName="failures")
        engine.client("lambda").put_function_event_invoke_config(
            FunctionName="job",
            MaximumRetryAttempts=0,
            DestinationConfig={"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:failures"}},
        )
        running = start(engine, {"sleep": 50})
    with Engine(tmp_path / "state") as engine:
        sqs = engine.client("sqs")
        url = sqs.get_queue_url(QueueName="failures")["QueueUrl"]
        record = json.loads(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"][0]["Body"])
        assert record["requestContext"]["requestId"] == running["request_id"]


def test_a_stopping_engine_responds_to_open_requests_and_logs_no_error(tmp_path: Path) -> None:
    with Engine(tmp_path / "state") as engine, ThreadPoolExecutor() as callers:
        function(engine, SLEEPS)
        queue = engine.client("sqs").create_queue(QueueName="empty")["QueueUrl"]
        poll = callers.submit(engine.client("sqs").receive_message, QueueUrl=queue, WaitTimeSeconds=20)
        waiting = callers.submit(engine.client("lambda").invoke, FunctionName="job", Payload=b'{"sleep": 50}')
        eventually(lambda: [one for one in engine.processes("job") if one["request_id"]])
        engine.stop()
        assert json.load(waiting.result()["Payload"])["errorType"] == "Runtime.ExitError"
        assert isinstance(poll.exception(), (ClientError, EndpointConnectionError))
    assert engine.log.read_text() == ""


def test_a_large_log_is_rotated_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.engine.engine.MAX_LOG_BYTES", 10)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "job.log").write_text("more than ten bytes")
    with Engine(tmp_path / "state"):
        assert not (tmp_path / "logs" / "job.log").exists()
        assert (tmp_path / "logs" / "job.log.1").read_text() == "more than ten bytes"

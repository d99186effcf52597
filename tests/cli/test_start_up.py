"""A reading command imports no job, no validation, no Powertools and no part of the local cloud.

Counted are modules, from which its CPU follows: each of these packages alone takes as long as the rest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from cli.declared_jobs import FILE
from shared.job import registry
from tests.cli.conftest import Call

ROOT = Path(__file__).parents[2]
SCRIPT = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
sys.argv[0] = "jobs.py"
from cli.main import leave
leave()
"""
AWS = ("--aws", "--stage", "test")
DATA = [("list",), ("list", "--json"), ("help",), ("heatmap", "--help")]
ONE_JOB = [("describe", "pricing"), ("describe", "pricing", "--json")]
READING = [
    ("status", *AWS),
    ("status", "--json", *AWS),
    ("status", "--tenant", "org_1", *AWS),
    ("runs", "pricing", *AWS),
    ("runs", "--outcome", "failed", *AWS),
    ("top", *AWS),
    ("pauses", *AWS),
    ("mute", *AWS),
    ("dead", "list", *AWS),
    ("why", "usage", *AWS),
]
TICKED = [("why", "pricing", *AWS)]
# No command that reads needs these; a job may validate what it is sent.
NEVER = ("aws_cdk", "aws_lambda_powertools", "boto3", "cryptography", "ministack", "local.engine.engine", "shtab")
# Most modules of a command: Python's and rich's, those of one job, those of one client, and of both.
MOST = {"data": 260, "one job": 360, "reading": 520, "ticked": 540}


ANSWERS = {
    "GetQueueAttributes": {
        "Attributes": {f"ApproximateNumberOfMessages{kind}": "0" for kind in ("", "NotVisible", "Delayed")}
    },
    "BatchGetItem": {"Responses": {}, "UnprocessedKeys": {}},
    "Query": {"Items": [], "Count": 0, "ScannedCount": 0},
}


class EmptyTables(BaseHTTPRequestHandler):
    """Answers of a deployment in which nothing has run yet."""

    protocol_version = "HTTP/1.1"
    identity = (
        b"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/ada</Arn>"
        b"<UserId>a</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    )

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        body = json.dumps(ANSWERS.get(operation, {})).encode() if operation else self.identity
        self.answer(HTTPStatus.OK, body)

    def do_GET(self) -> None:
        # The configuration of a function that is not deployed.
        self.answer(HTTPStatus.NOT_FOUND, b'{"Type": "User", "Message": "not found"}')

    def answer(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Amzn-ErrorType", "ResourceNotFoundException")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An account without rows, and declarations that were cached by the first command."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), EmptyTables)
    Thread(target=server.serve_forever, daemon=True).start()
    own = {
        "NIGHTSHIFT_LOCAL": str(tmp_path_factory.mktemp("state")),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NIGHTSHIFT_")} | own
    run(("list",), environment)
    assert (Path(own["NIGHTSHIFT_LOCAL"]) / FILE).exists()
    yield environment
    server.shutdown()
    server.server_close()


def run(words: tuple[str, ...], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done


def loaded(words: tuple[str, ...], environment: dict[str, str]) -> set[str]:
    return set(json.loads(run(words, environment).stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        *(("data", words) for words in DATA),
        *(("one job", words) for words in ONE_JOB),
        *(("reading", words) for words in READING),
        *(("ticked", words) for words in TICKED),
    ],
    ids=str,
)
def test_a_command_that_reads_imports_what_it_needs(
    kind: str, words: tuple[str, ...], environment: dict[str, str]
) -> None:
    modules = loaded(words, environment)
    jobs = {name for name in modules if name.startswith("functions.") and name.count(".") == 2}
    assert {name for name in NEVER if name in modules} == set()
    if kind in ("data", "reading"):
        assert jobs == set()
        assert "pydantic" not in modules
    else:
        assert {name for name in jobs if not name.rpartition(".")[2].startswith("_")} == {"functions.sites.pricing"}
    if kind in ("data", "one job"):
        assert "botocore" not in modules
    assert len(modules) <= MOST[kind]


def test_no_job_is_named_like_a_module_that_discovery_skips(call: Call, jobs: Path) -> None:
    for name in registry.NO_JOBS:
        answer = call("new", "demo", name, "--archetype", "job")
        assert answer.code == 2
        assert f"a job may not be named {name!r}" in answer.err

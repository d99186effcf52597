"""A cold start of the console, compared with that of a client of AWS."""

from __future__ import annotations

import os
import subprocess
import sys

from cli.paths import ROOT

CLIENT = "import boto3; boto3.session.Session().client('dynamodb')"
CONSOLE = "import functions.console.handler as handler; handler.console(); handler.CLOUD.dynamodb"
MEASURED = "import time; start = time.process_time(); {0}; print(time.process_time() - start)"
ENVIRONMENT = {"AWS_DEFAULT_REGION": "us-east-1", "NIGHTSHIFT_STAGE": "test"}


def cpu(statements: str) -> float:
    """CPU seconds of these statements in a new process, the least of two."""
    command = [sys.executable, "-c", MEASURED.format(statements)]
    environment = {**os.environ, **ENVIRONMENT}
    runs = (subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True) for _ in range(2))
    return min(float(run.stdout) for run in runs)


def test_the_pages_start_within_three_times_the_cpu_of_one_client() -> None:
    assert cpu(CONSOLE) <= 3 * cpu(CLIENT)

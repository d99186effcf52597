"""The only importer of ministack, the engine of the local cloud.

It has no types: all is `Any`.

ministack reads its environment at import, once per process: call `configure` first.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

ACCOUNT = "000000000000"
REGION = "us-east-1"


def configure(folder: Path, port: int) -> None:
    """Set the variables that ministack reads at import: folders, port, disabled parts.

    Raises RuntimeError if ministack is imported already.
    """
    if "ministack" in sys.modules:
        raise RuntimeError("ministack is imported already: configure it first, and once per process")
    os.environ |= {
        "GATEWAY_PORT": str(port),
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(folder / "objects"),
        "STATE_DIR": str(folder / "blobs"),
        # snapshots.py saves instead: ministack does so on a clean stop only.
        "PERSIST_STATE": "0",
        # No Docker, and no services that templates cannot contain.
        "LAMBDA_EXECUTOR": "local",
        "DOCKER_HOST": "unix:///nonexistent/docker.sock",
        # Invocations wait in threads, for their turn and for each other: a function may invoke functions.
        "MINISTACK_WORKER_THREADS": "512",
        "LAMBDA_ACCOUNT_CONCURRENCY": "1000",
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }


def application() -> Any:
    """The ASGI application, without ministack's own tickers and start scripts."""
    for name in ("eventbridge", "scheduler"):
        service(name).start_scheduler = lambda: None
    application: Any = import_module("ministack.app")
    application._collect_scripts = lambda *_folders: []
    return application


def service(name: str) -> Any:
    """A service's module, such as `lambda_svc`, `sqs`, `cloudwatch_logs`."""
    return import_module(f"ministack.services.{name}")


def core(name: str) -> Any:
    """A module of the core, such as `lambda_runtime`, `responses`, `persistence`."""
    return import_module(f"ministack.core.{name}")


def code_in_use() -> set[str]:
    """The CodeSha256 of every function and layer version."""
    functions = service("lambda_svc")
    layers = [version["Content"] for layer in functions._layers.all_values() for version in layer["versions"]]
    configs = [function["config"] for function in functions._functions.all_values()]
    return {str(holder.get("CodeSha256", "")) for holder in [*layers, *configs]}

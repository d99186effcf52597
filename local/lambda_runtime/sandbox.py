"""Execution environment of a function: one process, one invocation at a time."""

from __future__ import annotations

import json
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.lambda_runtime import python_path, variables
from local.lambda_runtime.limits import MemoryWatch, processor_seconds
from local.lambda_runtime.process import Ended, Process, TooLate

# Lambda allows 10 s with a full processor for init; here all functions may start at once.
INIT_SECONDS = 60.0


class SandboxFailure(Exception):
    """The process ended, or had to be ended, before it answered."""

    def __init__(self, error_type: str, reason: str) -> None:
        super().__init__(reason)
        self.error_type = error_type


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Folders of the sandboxes, and the engine's endpoint for functions."""

    folder: Path
    endpoint: str
    token: str = field(repr=False)
    logs: Path | None
    memory: MemoryWatch


@dataclass(eq=False)
class Sandbox:
    """`config` is the function's configuration as GetFunctionConfiguration has it."""

    settings: SandboxSettings
    config: Mapping[str, Any]
    code: bytes
    layers: list[bytes]
    credentials: Mapping[str, str]
    stream: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{uuid.uuid4().hex}")
    process: Process | None = None
    peak_mb: int = 0
    request_id: str | None = None
    starved: bool = False

    def __post_init__(self) -> None:
        self.name = str(self.config["FunctionName"])
        self.memory_mb = int(self.config["MemorySize"])
        self.timeout = float(self.config["Timeout"])
        self._temporary = tempfile.TemporaryDirectory(prefix=f"{self.name}-", dir=self.settings.folder / "tmp")

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def about(self) -> dict[str, Any]:
        arn = self.config["FunctionArn"]
        process = {"function": self.name, "arn": arn, "pid": self.pid}
        return process | {"request_id": self.request_id, "peak_mb": self.peak_mb}

    def start(self) -> None:
        """Start the process and import the handler. Raises SandboxFailure."""
        archives = (self.code, *self.layers)
        code, *layers = [python_path.unpack(archive, self.settings.folder / "code") for archive in archives]
        environment = variables.of_function(self.config, code, self.stream, self.credentials)
        self.process = Process(
            python_path.import_path(code, layers, python_path.runtime_folder(self.settings.folder)),
            code,
            # A declared AWS_ENDPOINT_URL wins: a test may use a proxy.
            {"AWS_ENDPOINT_URL": self.settings.endpoint, **environment, "TMPDIR": self._temporary.name},
            self.settings.logs / f"{self.name}.log" if self.settings.logs else None,
        )
        answer = self._await(self.process, INIT_SECONDS)
        if answer["status"] == "unable":
            self.end()
            error = json.loads(answer["payload"])
            raise SandboxFailure(error["errorType"], error["errorMessage"])

    def run(self, event: str, request_id: str, trace: str | None, arn: str) -> dict[str, str]:
        """Invoke: `{status: done | failed, payload: JSON text}`.

        Raises SandboxFailure: exit, signal, memory, timeout.
        """
        assert self.process
        self.peak_mb, self.starved, self.request_id = 0, False, request_id
        self.process.log.expect(request_id)
        self.process.thaw()
        invocation = {
            "event": event,
            "request_id": request_id,
            "trace": trace,
            "arn": arn,
            "deadline_ms": int((time.time() + self.timeout) * 1000),
            "processor_seconds": processor_seconds(self.timeout, self.memory_mb),
        }
        try:
            answer = self._await(self.process, self.timeout, json.dumps(invocation) + "\n")
        finally:
            self.request_id = None
        # As on AWS: a thread that still runs continues in the next invocation.
        self.process.freeze()
        return answer

    def lines(self) -> list[tuple[int, str]]:
        """Epoch milliseconds and text of the last invocation's lines, complete after `run`."""
        return self.process.log.take() if self.process else []

    def out_of_memory(self) -> None:
        # Called by the watching thread. The thread that waits for the result notices the end and closes the pipes.
        self.starved = True
        if self.process:
            self.process.terminate()

    def end(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process.close()
        self._temporary.cleanup()

    def _await(self, process: Process, seconds: float, message: str = "") -> dict[str, str]:
        try:
            with self.settings.memory.watching(self):
                return process.request(message, seconds)
        except TooLate:
            self.end()
            raise SandboxFailure("Sandbox.Timedout", f"Task timed out after {self.timeout:.2f} seconds") from None
        except Ended as ended:
            self.end()
            raise SandboxFailure("Runtime.OutOfMemory" if self.starved else "Runtime.ExitError", str(ended)) from None

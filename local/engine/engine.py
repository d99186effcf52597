"""Engine as a child process, which ends with everything that it started."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from local.clients import client, environment
from local.engine.credential import instance_token
from local.engine.emulator import ACCOUNT, REGION
from local.request_guard import TOKEN
from local.session import end_session

ROOT = Path(__file__).resolve().parents[2]
# Bytes. A larger log is rotated at the start; one old log is kept.
MAX_LOG_BYTES = 10_000_000
START_SECONDS = 30
STOP_SECONDS = 15


class EngineError(RuntimeError):
    """The engine did not start, or ended by itself."""


class Engine:
    """`with Engine(folder) as engine:` serves on `engine.endpoint`; its state stays in `folder`.

    Raises EngineError, with the end of the engine's log, if it does not respond.
    """

    account = ACCOUNT
    region = REGION

    def __init__(self, folder: Path, fresh: bool = False) -> None:
        self.folder = folder.resolve()
        self.log = self.folder.parent / "logs" / "engine.log"
        self.fresh = fresh
        self.endpoint = self.token = ""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Engine:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        self._lock()
        self._make_room()
        self.token = instance_token(self.folder)
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local.engine.server", str(self.folder), str(self._last_port())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self.folder,
                env={
                    "HOME": str(self.folder),
                    "LANG": os.environ.get("LANG", "C.UTF-8"),
                    "PATH": os.environ.get("PATH", os.defpath),
                    "PYTHONPATH": str(ROOT),
                    "TMPDIR": str(self.folder / "tmp"),
                    "AWS_SECRET_ACCESS_KEY": "local",
                },
                pass_fds=(self._held.fileno(),),
                # Ctrl-C signals the terminal's whole foreground group: the engine must end after this process.
                start_new_session=True,
            )
        port = self._port_when_ready(self._process)
        (self.folder / "port").write_text(str(port))
        self.endpoint = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        """Save, end, and leave nothing running."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        finally:
            end_session(process.pid)
            shutil.rmtree(self.folder / "tmp", ignore_errors=True)
            self._held.close()

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        return environment(self.endpoint, self.token, base)

    def client(self, service: str) -> Any:
        return client(service, self.endpoint, self.token)

    def processes(self, function: str | None = None) -> list[dict[str, Any]]:
        """Processes of one function or all; `request_id` is null when idle."""
        processes = json.loads(self._request("GET", "processes"))
        return [process for process in processes if function in (None, process["function"])]

    def save(self) -> None:
        """Save everything now."""
        self._request("POST", "save")

    def enforce_roles(self) -> None:
        """Check calls of functions against their roles, as AWS does.

        Call it after the deployment.
        """
        self._request("POST", "roles")

    def _lock(self) -> None:
        """Lock the folder until this process and the engine have ended."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._held = (self.folder.parent / f"{self.folder.name}.lock").open("w")
        until = time.monotonic() + STOP_SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            time.sleep(0.05)
        self._held.close()
        raise EngineError(f"Another local cloud keeps its state in {self.folder}, and does not end.")

    def _make_room(self) -> None:
        if self.fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
        # Processes of functions outlive a killed engine.
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)
        (self.folder / "tmp").mkdir(parents=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        for log in self.log.parent.glob("*.log"):
            if log.stat().st_size > MAX_LOG_BYTES:
                log.replace(log.with_suffix(".log.1"))

    def _request(self, method: str, what: str) -> bytes:
        request = urllib.request.Request(f"{self.endpoint}/_local/{what}", method=method, headers={TOKEN: self.token})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    def _last_port(self) -> int:
        # The same port, if it is free, keeps queue URLs valid.
        with contextlib.suppress(OSError, ValueError):
            return int((self.folder / "port").read_text())
        return 0

    def _port_when_ready(self, process: subprocess.Popen[str]) -> int:
        assert process.stdout
        line = _line_within(process.stdout, START_SECONDS)
        if not line:
            self.stop()
            tail = "\n".join(self.log.read_text().splitlines()[-20:])
            raise EngineError(f"The local cloud's engine did not start. The end of {self.log}:\n{tail}")
        return int(json.loads(line)["port"])


def _line_within(output: IO[str], seconds: float) -> str:
    import select

    ready, _, _ = select.select([output], [], [], seconds)
    return output.readline() if ready else ""

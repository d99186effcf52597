"""Functions for a worker's child process in tests, in a module that it can import."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from shared.run.report import RunReport
from workers.delivery import InProgress


def report(body: Any, outcome: str = "done") -> RunReport:
    name = body["firing"]["job"]
    return RunReport(name, f"run-{os.getpid()}", "tick", "-", outcome, outcome == "done", 1, {}, "", None)


def good(body: Any, _request: str, _first: bool) -> Any:
    return report(body)


def bad(body: Any, _request: str, _first: bool) -> Any:
    return report(body, "failed")


def together(folder: str, count: int, body: Any, request: str, _first: bool) -> Any:
    """Return done when `count` of them run at the same time."""
    (Path(folder) / request).touch()
    end = time.monotonic() + 30
    while len(list(Path(folder).iterdir())) < count:
        if time.monotonic() > end:
            return report(body, "failed")
        time.sleep(0.02)
    return report(body)


def told(_body: Any, request: str, first: bool) -> Any:
    raise ValueError(f"{request} first={first}")


def leave(_body: Any, _request: str, _first: bool) -> Any:
    os._exit(3)


def hang(_body: Any, _request: str, _first: bool) -> Any:
    time.sleep(60)


def haunt(body: Any, _request: str, _first: bool) -> Any:
    threading.Thread(target=time.sleep, args=(60,)).start()
    return report(body)


def held(_body: Any, _request: str, _first: bool) -> Any:
    return InProgress(500)

"""Log lines of an invocation: complete when its result is returned."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from local.lambda_runtime.log_pipe import LogPipe
from local.lambda_runtime.process import Process, TooLate
from tests.local.conftest import Account, eventually


def logs(account: Account) -> list[list[str]]:
    """The lines of each invocation between START and END."""
    found: list[list[str]] = []
    for line in account.log():
        if line.startswith("START "):
            found.append([])
        elif not line.startswith(("END ", "REPORT ")):
            found[-1].append(line)
    return found


def test_lines_of_both_streams_are_in_the_log_of_their_invocation_in_their_order(account: Account) -> None:
    source = """
        import sys

        print("imported")

        def handle(event, context):
            for number in range(2000):
                print(event, number, file=sys.stderr if number % 2 else sys.stdout)
            sys.stdout.write("unfinished")
    """
    account.function(source)
    for word in "ab":
        account.invoke(event=word)
    wanted = [[*(f"{word} {number}" for number in range(2000)), "unfinished"] for word in "ab"]
    assert logs(account) == [["imported", *wanted[0]], wanted[1]]


@pytest.fixture
def slow_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine reads few bytes of the log at a time while an invocation runs."""
    read = LogPipe.read
    monkeypatch.setattr(LogPipe, "read", lambda log, size=16: read(log, size))


def test_a_log_that_is_read_slowly_is_complete_with_the_answer(account: Account, slow_reader: None) -> None:
    account.function("def handle(event, context): print(event + 'x' * 30_000)")
    for word in "ab":
        account.invoke(event=word)
    assert logs(account) == [[f"{word}{'x' * 30_000}"] for word in "ab"]


def test_nul_in_a_line_does_not_end_the_log(account: Account) -> None:
    account.function("def handle(event, context): print('before\\0after\\n\\0\\nlast')")
    account.invoke()
    account.invoke()
    assert logs(account) == [["before\0after", "\0", "last"]] * 2


@pytest.mark.parametrize(
    "closes",
    [
        "sys.stdout.close()",
        "sys.stdout = sys.stderr = None",
        "os.close(1)",
        "os.close(1); os.close(2)",
        "os.dup2(os.open(os.devnull, os.O_WRONLY), 1)",
    ],
)
def test_a_function_that_closes_its_stdout_is_answered_with_its_log(account: Account, closes: str) -> None:
    account.function(f"""
        import os, sys

        def handle(event, context):
            if event == "first":
                print(event)
                {closes}
            return event
    """)
    assert [account.invoke(event=event) for event in ("first", "second")] == ["first", "second"]
    assert logs(account) == [["first"], []]


def test_output_behind_the_marker_belongs_to_the_next_invocation() -> None:
    read, write = os.pipe()
    log = LogPipe(os.fdopen(read, "rb"), None)
    taken = []
    for request, written in (("1", b"early\n\0001\nlate\nla"), ("2", b"ter\nlast\0002\n")):
        log.expect(request)
        os.write(write, written)
        log.drain()
        taken.append([text for _, text in log.take()])
    os.close(write)
    log.close()
    assert taken == [["early"], ["late", "later", "last"]]


def test_stdout_that_does_not_block_keeps_its_lines_and_its_end(account: Account, slow_reader: None) -> None:
    source = """
        import os

        def handle(event, context):
            os.set_blocking(1, False)
            written = 0
            while True:
                try:
                    written += os.write(1, b"x" * 4095 + b"\\n")
                except BlockingIOError:
                    return written
    """
    account.function(source)
    written = [account.invoke() for _ in range(2)]
    assert [sum(len(line) + 1 for line in lines) for lines in logs(account)] == written


def test_a_thread_that_writes_without_end_fails_no_later_invocation(account: Account) -> None:
    source = """
        import threading

        def write():
            while True:
                print("x" * 4000)

        def handle(event, context):
            if threading.active_count() == 1:
                threading.Thread(target=write, daemon=True).start()
            return len(event)
    """
    account.function(source)
    assert [account.invoke(event="y" * (1 << 20)) for _ in range(3)] == [1 << 20] * 3


def test_a_process_that_does_not_read_a_large_event_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runtime.py").write_text("import time; time.sleep(60)")
    monkeypatch.setattr("local.lambda_runtime.process.RUNTIME", tmp_path / "runtime.py")
    process = Process([], tmp_path, {}, None)
    with pytest.raises(TooLate):
        process.request("y" * (1 << 20) + "\n", 0.1)
    process.terminate()
    process.wait()
    process.close()


@pytest.mark.parametrize("detached", [False, True])
@pytest.mark.parametrize("child", [["sleep", "60"], ["yes"]])
def test_a_child_that_holds_the_log_open_does_not_delay_the_end(
    account: Account, tmp_path: Path, child: list[str], detached: bool
) -> None:
    source = f"""
        import os, pathlib, subprocess

        def handle(event, context):
            child = subprocess.Popen({child}, start_new_session={detached})
            pathlib.Path(event).write_text(str(child.pid))
            os._exit(3)
    """
    account.function(source, Timeout=30)
    began = time.monotonic()
    failed = account.invoke(event=str(tmp_path / "pid"))
    took = time.monotonic() - began
    pid = int((tmp_path / "pid").read_text())
    if detached:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert failed["errorType"] == "Runtime.ExitError"
    assert took < 20
    eventually(lambda: not lives(pid))


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

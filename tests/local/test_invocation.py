"""Invocations behave as on Lambda: errors, environment, logs, processes."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from local.lambda_runtime import pool
from local.lambda_runtime.pool import PROCESSES
from tests.local.conftest import Account, eventually

ECHO = """
    import os, sys, threading, time, subprocess, logging

    def handle(event, context):
        print("said", event.get("word"))
        if "raise" in event:
            raise KeyError(event["raise"])
        if "exit" in event:
            os._exit(event["exit"])
        if "sleep" in event:
            time.sleep(event["sleep"])
        if "megabytes" in event:
            held = b"x" * (event["megabytes"] << 20)
            time.sleep(1)
        return {
            "pid": os.getpid(),
            "request": context.aws_request_id,
            "arn": context.invoked_function_arn,
            "left": context.get_remaining_time_in_millis(),
            "stream": context.log_stream_name,
            "memory": context.memory_limit_in_mb,
        }
"""


def test_an_exception_is_returned_with_type_stack_and_request(account: Account) -> None:
    account.function(ECHO)
    failed = account.invoke(event={"raise": "x"})
    assert failed["FunctionError"] == "Unhandled"
    assert failed["errorType"] == "KeyError"
    assert failed["errorMessage"] == "'x'"
    assert "app.py" in failed["stackTrace"][0]
    assert failed["requestId"] in "".join(account.log())


def test_a_function_that_raised_stays_warm(account: Account) -> None:
    account.function(ECHO)
    before = account.invoke()
    account.invoke(event={"raise": "x"})
    assert account.invoke()["pid"] == before["pid"]


@pytest.mark.parametrize(
    ("event", "error", "says"),
    [
        ({"exit": 3}, "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ({"exit": 0}, "Runtime.ExitError", "Runtime exited without providing a reason"),
        ({"sleep": 9}, "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        ({"megabytes": 300}, "Runtime.OutOfMemory", "Runtime exited with error: signal: killed"),
    ],
)
def test_the_end_of_a_process_is_reported_in_lambdas_words(account: Account, event: Any, error: str, says: str) -> None:
    account.function(ECHO, Timeout=1, MemorySize=128)
    before = account.invoke()
    failed = account.invoke(event=event)
    assert failed["FunctionError"] == "Unhandled"
    assert failed["errorType"] == error
    assert failed["errorMessage"].startswith("RequestId: ")
    assert failed["errorMessage"].endswith(f" Error: {says}")
    assert account.invoke()["pid"] != before["pid"]


def test_the_process_of_a_running_function_can_be_found_and_killed(account: Account) -> None:
    account.function(ECHO)
    answers: list[Any] = []
    caller = threading.Thread(target=lambda: answers.append(account.invoke(event={"sleep": 4})))
    caller.start()
    busy = account.busy()
    os.kill(busy["pid"], signal.SIGKILL)
    caller.join()
    assert answers[0]["errorType"] == "Runtime.ExitError"
    killed = "Runtime exited with error: signal: killed"
    assert answers[0]["errorMessage"] == f"RequestId: {busy['request_id']} Error: {killed}"


def test_a_handler_that_cannot_be_imported_is_an_import_error(account: Account) -> None:
    account.function("import nowhere_to_be_found")
    failed = account.invoke()
    assert failed["errorType"] == "Runtime.ImportModuleError"
    assert "nowhere_to_be_found" in failed["errorMessage"]


def test_a_function_sees_lambdas_environment_and_nothing_of_this_machine(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
    monkeypatch.setenv("PRIVATE", "mine")
    source = "import os\ndef handle(event, context): return dict(os.environ)"
    account.function(source, Environment={"Variables": {"STAGE": "local"}})
    seen = account.invoke()
    assert "mine" not in seen.values()
    assert not {"PYTHONPATH", "VIRTUAL_ENV", "HOME"} & set(seen)
    assert seen["AWS_ENDPOINT_URL"] == account.engine.endpoint
    assert seen["AWS_ACCESS_KEY_ID"] == account.id
    assert seen["STAGE"] == "local"
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == "job"
    assert seen["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"


def test_a_function_imports_the_sdk_and_no_package_of_this_project(account: Account) -> None:
    source = """
        from importlib.util import find_spec

        def handle(event, context):
            return {name: find_spec(name) is not None for name in event}
    """
    account.function(source)
    found = account.invoke(event=["boto3", "botocore", "ministack", "aws_cdk", "pytest", "local", "shared", "cronsim"])
    assert {name for name, there in found.items() if there} == {"boto3", "botocore"}


def test_code_comes_before_layers_and_layers_before_the_runtime(account: Account) -> None:
    from tests.local.conftest import archive

    layer = account.client("lambda").publish_layer_version(
        LayerName="packages",
        Content={"ZipFile": archive("WHOSE = 'layer'", "python/boto3.py")},
    )["LayerVersionArn"]
    source = "import boto3\ndef handle(event, context): return boto3.WHOSE"
    account.function(source, Layers=[layer])
    assert account.invoke() == "layer"


def test_the_context_is_lambdas(account: Account) -> None:
    account.function(ECHO, Timeout=3)
    seen = account.invoke()
    assert seen["arn"] == account.arn("lambda", "function:job")
    assert 2000 < seen["left"] <= 3000
    assert seen["memory"] == "256"


def test_a_process_logs_to_one_stream_that_its_context_names(account: Account) -> None:
    account.function(ECHO)
    seen = [account.invoke(event={"word": word}) for word in ("one", "two")]
    assert seen[0]["stream"] == seen[1]["stream"]
    events = account.client("logs").get_log_events(logGroupName="/aws/lambda/job", logStreamName=seen[0]["stream"])
    said = [event["message"] for event in events["events"]]
    assert [line for line in said if line.startswith("said")] == ["said one", "said two"]
    assert said[0] == f"START RequestId: {seen[0]['request']} Version: $LATEST"
    assert [line.split()[0] for line in said] == ["START", "said", "END", "REPORT"] * 2
    assert "Init Duration" in said[3]
    assert "Init Duration" not in said[7]


def test_the_platform_logs_json_if_configured(account: Account) -> None:
    account.function(ECHO, LoggingConfig={"LogFormat": "JSON"})
    account.invoke(event={"exit": 1})
    report = json.loads(account.log()[-1])
    assert report["type"] == "platform.report"
    assert report["record"]["status"] == "error"
    assert report["record"]["errorType"] == "Runtime.ExitError"


def test_a_stack_is_one_log_event(account: Account) -> None:
    account.function(ECHO)
    account.invoke(event={"raise": "x"})
    errors = [line for line in account.log() if line.startswith("[ERROR] KeyError")]
    assert len(errors) == 1
    assert "\nTraceback" in errors[0]


def test_a_running_thread_is_frozen_between_invocations(account: Account, tmp_path: Path) -> None:
    source = """
        import threading, time

        begun = threading.Event()

        def beat(path):
            with open(path, "ab", buffering=0) as file:
                while True:
                    file.write(b".")
                    begun.set()
                    time.sleep(0.01)

        def handle(event, context):
            if not begun.is_set():
                threading.Thread(target=beat, args=(event,), daemon=True).start()
            begun.wait()
    """
    beats = tmp_path / "beats"
    account.function(source)
    account.invoke(event=str(beats))
    stopped = beats.stat().st_size
    threading.Event().wait(0.5)
    # The process is frozen before its result is returned; one write may be in progress.
    assert beats.stat().st_size <= stopped + 1
    eventually(lambda: account.invoke(event=str(beats)) or beats.stat().st_size > stopped + 1)


def test_child_processes_end_with_their_function(account: Account) -> None:
    source = """
        import subprocess, time

        def handle(event, context):
            child = subprocess.Popen(["/bin/sleep", "60"])
            print("child", child.pid)
            time.sleep(60)
    """
    account.function(source, Timeout=1)
    account.invoke()
    child = int(next(line for line in account.log() if line.startswith("child")).split()[1])
    eventually(lambda: not _lives(child))


def test_concurrent_invocations_have_separate_processes(account: Account) -> None:
    account.function(ECHO)
    seen: list[Any] = []
    callers = [
        threading.Thread(target=lambda: seen.append(account.invoke(event={"sleep": 0.5})["pid"])) for _ in range(3)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(set(seen)) == 3


def test_a_changed_setting_reaches_the_next_invocation(account: Account) -> None:
    source = "import os\ndef handle(event, context): return os.environ['WORD']"
    account.function(source, Environment={"Variables": {"WORD": "old"}})
    assert account.invoke() == "old"
    account.client("lambda").update_function_configuration(
        FunctionName="job", Environment={"Variables": {"WORD": "new"}}
    )
    assert account.invoke() == "new"


def test_processor_time_is_limited_per_invocation(account: Account) -> None:
    source = """
        import resource

        def handle(event, context):
            used = resource.getrusage(resource.RUSAGE_SELF)
            return resource.getrlimit(resource.RLIMIT_CPU)[0] - int(used.ru_utime + used.ru_stime)
    """
    account.function(source, Timeout=2, MemorySize=3538)
    assert [account.invoke(), account.invoke()] == [5, 5]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_two_hundred_invocations_at_once_are_answered_by_few_processes(account: Account) -> None:
    account.function("import os, time\ndef handle(event, context): time.sleep(0.01); return {'pid': os.getpid()}")
    lambda_client, answers = account.client("lambda"), []

    def call() -> None:
        answers.append(json.loads(lambda_client.invoke(FunctionName="job")["Payload"].read())["pid"])

    callers = [threading.Thread(target=call) for _ in range(200)]
    for caller in callers:
        caller.start()
    most = 0
    while any(caller.is_alive() for caller in callers):
        most = max(most, len(account.engine.processes("job")))
        time.sleep(0.05)
    assert len(answers) == 200
    assert most <= len(set(answers)) <= PROCESSES


def test_invocations_that_invoke_each_other_are_not_stopped_by_the_limit_of_processes(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account.engine.server.pool, "limit", 1)
    monkeypatch.setattr(pool, "SLOW_SECONDS", 1.0)
    account.function("def handle(event, context): return {'inner': True}", "inner")
    account.function(
        """
        import boto3, json
        def handle(event, context):
            return json.load(boto3.client("lambda").invoke(FunctionName="inner")["Payload"])
        """,
        "outer",
        Timeout=30,
    )
    assert account.invoke("outer") == {"inner": True}


def test_idle_processes_of_other_functions_make_room(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.engine.server.pool.end()
    monkeypatch.setattr(account.engine.server.pool, "limit", 2)
    for name in ("first", "second", "third"):
        account.function(ECHO, name)
        account.invoke(name)
    alive = {process["function"] for process in account.engine.processes()}
    assert alive == {"second", "third"}

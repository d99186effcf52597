"""Log lines and metrics: one JSON line each, redacted, with bound fields, on the destination of their log."""

from __future__ import annotations

import json
import logging
import threading
from typing import Any

import pytest
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from shared.observability.log import POWERTOOLS, Log
from tests.conftest import Lines, VirtualClock


@pytest.fixture
def written() -> list[str]:
    return []


@pytest.fixture
def log(written: list[str], clock: VirtualClock) -> Log:
    return Log(written.append, clock, job="sweep")


def only(written: list[str]) -> dict[str, Any]:
    [line] = written
    parsed: dict[str, Any] = json.loads(line)
    return parsed


@pytest.mark.parametrize("level", ["info", "warning", "error"])
def test_a_line_has_level_message_and_timestamp_before_its_fields(log: Log, written: list[str], level: str) -> None:
    getattr(log.bind(jobId="r1"), level)("sweep_done", status="done", note=None)
    assert list(only(written).items()) == [
        ("level", level.upper()),
        ("message", "sweep_done"),
        ("timestamp", "2026-03-02T12:00:00.000Z"),
        ("job", "sweep"),
        ("jobId", "r1"),
        ("status", "done"),
        ("note", None),
    ]


@pytest.mark.parametrize("message", ["null", "1", '{"a": 1}', "100 % of %s {}", "two\nlines"])
def test_a_message_is_text_whatever_it_looks_like(log: Log, written: list[str], message: str) -> None:
    log.info(message)
    assert only(written)["message"] == message
    assert "\n" not in written[0]


@pytest.mark.parametrize("name", ["name", "args", "module", "process", "created", "exc_info", "stacklevel", "location"])
def test_a_field_may_have_a_name_that_logging_uses_itself(log: Log, written: list[str], name: str) -> None:
    log.info("m", **{name: "value"})
    assert only(written)[name] == "value"


def test_message_bound_fields_fields_and_metric_dimensions_are_redacted(log: Log, written: list[str]) -> None:
    log.bind(token="opensesame").info("mail to ada@example.com", nested={"password": "hunter2 hunter2"})
    log.metric("ada@example.com", {"Failed": 1})
    shown = "\n".join(written)
    assert not any(secret in shown for secret in ("opensesame", "ada@example.com", "hunter2"))


def test_bound_fields_belong_to_one_log_and_not_to_the_process(log: Log, written: list[str]) -> None:
    log.bind(jobId="r1").info("first")
    log.info("second")
    assert ["jobId" in json.loads(line) for line in written] == [True, False]


def test_threads_write_whole_lines_each_to_its_own_destination(clock: VirtualClock) -> None:
    logs = [Lines(clock) for _ in range(4)]
    threads = [
        threading.Thread(target=lambda log=log: [log.info("m", number=number) for number in range(200)]) for log in logs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [[line["number"] for line in log.lines] for log in logs] == [list(range(200))] * 4


def test_other_handlers_of_the_process_get_no_second_copy(
    log: Log, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    copies: list[logging.LogRecord] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", copies.append)
    logging.getLogger().addHandler(handler)
    try:
        log.error("once")
    finally:
        logging.getLogger().removeHandler(handler)
    assert (len(written), copies) == (1, [])


def test_an_error_of_the_destination_is_raised_and_the_record_is_not_printed(
    clock: VirtualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(line: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        Log(broken, clock).info("m", token="opensesame")
    assert capsys.readouterr() == ("", "")


def test_a_metric_has_a_set_of_dimensions_per_job_and_one_for_the_total(
    log: Log, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHIFT_STAGE", "test")
    log.metric("sweep", {"Failed": 1, "Duration": 12})
    line = only(written)
    [directive] = line.pop("_aws")["CloudWatchMetrics"]
    assert directive == {
        "Namespace": "Nightshift",
        "Dimensions": [["job", "stage"], ["stage"]],
        "Metrics": [{"Name": "Failed", "Unit": "Count"}, {"Name": "Duration", "Unit": "Milliseconds"}],
    }
    assert line == {"job": "sweep", "stage": "test", "Failed": [1.0], "Duration": [12.0]}


def test_lines_are_formatted_by_powertools() -> None:
    assert isinstance(POWERTOOLS.registered_formatter, LambdaPowertoolsFormatter)

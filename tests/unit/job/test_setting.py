"""Settings: text of the environment becomes a typed value, or an error with the variable and its text."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.job import setting
from shared.job.setting import Setting, SettingError

COUNT = setting.count("DEMO_COUNT", 5, "Items of one run")
WORD = setting.choice("DEMO_BY", "inline", ("inline", "queue"), "Runtime")


@pytest.mark.parametrize(
    ("declared", "default"),
    [
        (setting.flag("A", True, "m"), True),
        (COUNT, 5),
        (setting.names("A", "a, b", "m"), ("a", "b")),
        (setting.span("A", timedelta(hours=36), "m"), timedelta(hours=36)),
        (setting.text("A", "as is ", "m"), "as is "),
        (WORD, "inline"),
        (setting.BASE_URLS, []),
    ],
)
def test_a_variable_that_is_not_set_has_the_declared_default(declared: Setting, default: Any) -> None:
    assert declared.read({}) == default


@pytest.mark.parametrize(("text", "value"), [("true", True), (" ON ", True), ("1", True), ("no", False)])
def test_a_flag_has_several_words_for_true_and_false(text: str, value: bool) -> None:
    assert setting.flag("A", not value, "m").read({"A": text}) is value


@pytest.mark.parametrize("text", ["", " ", "\t\n"])
@pytest.mark.parametrize(
    ("declared", "default"),
    [
        (setting.flag("A", True, "m"), True),
        (setting.count("A", 5, "m"), 5),
        (setting.text("A", "_mail-challenge", "m"), "_mail-challenge"),
        (setting.names("A", "x", "m"), ("x",)),
        (setting.url("A", "m"), ""),
    ],
)
def test_an_empty_variable_counts_as_not_set(declared: Setting, default: Any, text: str) -> None:
    assert declared.read({"A": text}) == default


def test_empty_parts_of_a_list_are_left_out() -> None:
    assert setting.names("A", "", "m").read({"A": " a,, b ,"}) == ("a", "b")


def test_a_choice_ignores_case_and_spaces() -> None:
    assert WORD.read({"DEMO_BY": " Queue "}) == "queue"


@pytest.mark.parametrize(
    ("declared", "text", "fault"),
    [
        (setting.flag("A", True, "m"), "maybe", "A='maybe': must be true or false"),
        (COUNT, "0", "DEMO_COUNT='0': must be a whole number of at least 1"),
        (COUNT, "many", "DEMO_COUNT='many': must be a whole number of at least 1"),
        (COUNT, "\u0663", "must be a whole number of at least 1"),
        (COUNT, "1_000", "must be a whole number of at least 1"),
        (COUNT, "+5", "must be a whole number of at least 1"),
        (COUNT, "9" * 5_000, "must be a whole number of at least 1"),
        (setting.url("A", "m"), "example.com/x", "A='example.com/x': must be a URL"),
        (setting.url("A", "m"), "https://", "must be a URL"),
        (setting.url("A", "m"), "https://a b", "must be a URL"),
        (setting.url("A", "m"), "https://[::1", "must be a URL"),
        (setting.span("A", timedelta(hours=1), "m"), "\u0661h", "write a whole number and its unit"),
        (setting.BASE_URLS, '["a", NaN]', "has NaN, which is not JSON"),
        (setting.BASE_URLS, "[" * 5_000, "is nested more than 64 levels deep"),
        (WORD, "celeri", "DEMO_BY='celeri': must be one of inline, queue"),
        (setting.BASE_URLS, "{}", "is not a JSON array"),
        (setting.BASE_URLS, "[", "is not JSON"),
    ],
)
def test_an_invalid_value_is_an_error_with_the_variable_and_its_text(declared: Setting, text: str, fault: str) -> None:
    with pytest.raises(SettingError, match=fault):
        declared.read({declared.name: text})


def test_equal_declarations_are_equal() -> None:
    assert setting.choice("DEMO_BY", "inline", ("inline", "queue"), "Runtime") == WORD


def test_the_environment_of_the_process_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_COUNT", "9")
    assert COUNT.read() == 9

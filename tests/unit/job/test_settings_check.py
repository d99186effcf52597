"""Settings of an environment are checked, all of them, and misspelt names are noticed."""

from __future__ import annotations

import re

import pytest

from cli.generate import env_template
from shared.job import registry, settings_check
from shared.job.definition import Job
from shared.job.setting import Setting, SettingError

JOBS: list[Job] = list(registry.jobs({}).values())
SETTINGS = sorted({setting.name: setting for job in JOBS for setting in job.all_settings()}.items())
# Words of Python's own errors: they say nothing to who wrote the setting.
PYTHON = re.compile(r"invalid literal|could not convert|codec|object|Errno|Traceback|unpack|Expecting|Decimal|NoneType")
TEXTS = (
    "maybe",
    "notjson",
    "-1",
    "0",
    "1e3",
    "\u0663",
    "9" * 5_000,
    "9" * 20 + "d",
    "[" * 5_000,
    "\x00",
    "\ud800",
    "https://[",
    "a=b=c, =, x=",
    "every full moon",
    "* * 31 2 *",
    "{}",
    "nan nan",
    "inf inf",
)


def refusal(setting: Setting, text: str) -> str:
    try:
        setting.read({setting.name: text})
    except SettingError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("name", "setting"), SETTINGS, ids=[name for name, _ in SETTINGS])
def test_any_text_is_accepted_or_refused_in_plain_words(name: str, setting: Setting) -> None:
    assert setting.read({name: ""}) == setting.read({})
    for text in TEXTS:
        if error := refusal(setting, text):
            assert error.startswith(f"{name}=")
            assert len(error) < 500
            reason = error.replace(repr(text), "").replace(text, "")
            assert not PYTHON.search(reason), reason


def test_every_invalid_value_is_found_with_its_reason() -> None:
    environment = {"JOB_MONITORING_STREAK": "0", "BASE_URLS": "notjson", "PRICING_ENABLE": "maybe", "DOCS_ENABLE": ""}
    urls, streak, enable = settings_check.invalid(JOBS, environment)
    assert "JSON array" in urls
    assert "at least 1" in streak
    assert "must be true or false" in enable


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("PRICING_ENABEL", "PRICING_ENABLE"),
        ("PRICING_SCHEDUEL", "PRICING_SCHEDULE"),
        ("BASE_URL", "BASE_URLS"),
        ("MAIL_RELAYS", "MAIL_RELAY"),
        ("NIGHTSHIFT_STAGES", "NIGHTSHIFT_STAGE"),
        ("HC_PRICNG_URL", "HC_PRICING_URL"),
        ("WEBHOOK_LOOPBAK", "WEBHOOK_LOOPBACK"),
    ],
)
def test_a_misspelt_name_is_noticed_with_the_nearest(name: str, near: str) -> None:
    assert settings_check.unknown(JOBS, {name: "x"}) == [f"{name} is not a setting; did you mean {near}?"]


def test_other_variables_are_not_mentioned() -> None:
    machine = ("PATH", "HOME", "AWS_PROFILE", "AWS_REGION", "LC_ALL", "XDG_RUNTIME_DIR", "PYTHONPATH", "no_proxy")
    known = dict.fromkeys((*machine, *(name for name, _ in SETTINGS), *settings_check.OWN), "x")
    assert settings_check.unknown(JOBS, known) == []
    assert {each.name for each in (*env_template.DEPLOYMENT, *env_template.WORKERS)} <= settings_check.OWN


def test_settings_that_lead_outside_are_external() -> None:
    """What a job calls must not be called from a laptop by mistake."""
    called = re.compile(r"(^HC_.*|WEBHOOK|^LLM)_URL$|RELAY$|SERVERS$")
    assert [name for name, setting in SETTINGS if bool(called.search(name)) != setting.external] == []

"""Descriptions of jobs for the console: purpose, settings as deployed, permissions."""

from __future__ import annotations

from shared.job import job_details, registry

JOBS = registry.jobs()


def test_every_job_has_a_purpose_and_permissions() -> None:
    found = job_details.of(JOBS.values(), {})
    assert found.keys() == JOBS.keys()
    assert all(each["purpose"] and each["guarantee"] and each["permissions"] for each in found.values())


def test_a_setting_is_shown_as_deployed_and_an_outside_address_is_not() -> None:
    environment = {"PRICING_ENABLE": "false", "HC_PRICING_URL": "https://hc.example/secret-key"}
    settings = {each["name"]: each for each in job_details.of([JOBS["pricing"]], environment)["pricing"]["settings"]}
    assert settings["PRICING_ENABLE"]["deployed"] == "false"
    assert settings["HC_PRICING_URL"]["deployed"] == "set"

"""Deployments whose settings name another system's workers."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra import bundle, job, job_permissions, layer, platform, quotas
from infra.deployment import Deployment
from infra.package import Package
from shared.aws.names import Names
from shared.job import registry
from shared.job.setting import SettingError

HERE = platform.on_this_machine()
BY_CELERY = {"PRICING_RUN_BY": "celery"}


def deployed(environment: Mapping[str, str]) -> Deployment:
    return Deployment(Names("prod", "123456789012", "eu-west-1"), registry.jobs(), HERE, environment)


def tops(made: Package, parts: int = 1) -> set[str]:
    with zipfile.ZipFile(made.path) as archive:
        return {"/".join(name.split("/")[:parts]) for name in archive.namelist()}


def allowed(name: str, environment: Mapping[str, str]) -> set[tuple[str, str]]:
    made = deployed(environment)
    found = job_permissions.allowed(made.jobs[name], made)
    return {(action, resource) for one in found for action in one["Action"] for resource in one["Resource"]}


def test_the_adapter_is_shipped_to_the_group_that_needs_it_and_to_no_other(tmp_path: Path) -> None:
    made = deployed(BY_CELERY)
    assert "workers" in tops(bundle.bundle("sites", made, with_manifest=False, folder=tmp_path))
    assert "workers" not in tops(bundle.bundle("operations", made, with_manifest=False, folder=tmp_path))
    assert "workers" not in tops(bundle.bundle("sites", deployed({}), with_manifest=False, folder=tmp_path))
    assert (made.uses_celery("sites"), made.uses_celery("operations"), deployed({}).uses_celery("sites")) == (
        True,
        False,
        False,
    )


def test_its_library_is_in_the_layer_for_lambdas_machine() -> None:
    packages = tops(layer.layer("sites", platform.on_lambda(), extras=("celery",)), 2)
    assert {"python/celery", "python/kombu", "python/boto3"} <= packages
    assert "python/celery" not in tops(layer.layer("sites", platform.on_lambda()), 2)


def test_the_function_may_send_to_celerys_queue_and_no_other_function_may() -> None:
    queue = "arn:aws:sqs:eu-west-1:123456789012:nightshift-prod-celery"
    sends = {("sqs:GetQueueAttributes", queue), ("sqs:SendMessage", queue)}
    assert sends <= allowed("pricing", BY_CELERY)
    assert not sends & allowed("docs", BY_CELERY)
    assert not sends & allowed("pricing", {})


def test_functions_have_the_setting_in_their_environment() -> None:
    made = deployed(BY_CELERY)
    assert job.environment(made.jobs["pricing"], made)["PRICING_RUN_BY"] == "celery"


def test_redis_is_refused_at_synth_since_functions_cannot_reach_it() -> None:
    with pytest.raises(quotas.LimitError, match=r"pricing.py.*PRICING_RUN_BY=rq, but functions cannot reach Redis"):
        quotas.check_declarations(deployed({"PRICING_RUN_BY": "rq"}))
    quotas.check_declarations(deployed(BY_CELERY))


def test_an_unknown_value_is_not_deployed() -> None:
    with pytest.raises(SettingError, match="PRICING_RUN_BY='cron': must be one of inline"):
        quotas.check_declarations(deployed({"PRICING_RUN_BY": "cron"}))

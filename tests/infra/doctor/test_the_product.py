"""The product itself has none of the traps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from cli import preflight
from cli.preflight.change import Change
from infra import doctor
from infra.template import Template
from shared.job import registry


def test_its_templates_have_no_findings(templates: Mapping[str, Template]) -> None:
    assert list(doctor.of_templates(templates)) == []


def test_its_declarations_have_no_findings() -> None:
    assert list(doctor.of_jobs(registry.jobs({}).values(), datetime(2026, 11, 1, tzinfo=UTC))) == []


def test_the_same_deployment_again_has_no_findings(templates: Mapping[str, Template]) -> None:
    assert list(preflight.compare(Change("prod", templates, templates, "eu-central-1"))) == []

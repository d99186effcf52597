"""Linter for templates and declarations, one module for each kind of trap.

deployed_functions      templates by function: what starts it, and its queues
asynchronous_starts, rules_and_schedules, consumers, function_urls, function_limits, logs, stored_data,
role_policies, stack_size      read templates
clock_changes, declarations    read jobs
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from infra.doctor import (
    asynchronous_starts,
    clock_changes,
    consumers,
    declarations,
    function_limits,
    function_urls,
    logs,
    role_policies,
    rules_and_schedules,
    stack_size,
    stored_data,
)
from infra.finding import Finding
from infra.template import Template
from shared.job.definition import Job

OF_TEMPLATES = (
    asynchronous_starts,
    rules_and_schedules,
    consumers,
    function_urls,
    function_limits,
    logs,
    stored_data,
    role_policies,
    stack_size,
)


def of_templates(templates: Mapping[str, Template]) -> Iterator[Finding]:
    for module in OF_TEMPLATES:
        yield from module.check(templates)


def of_jobs(jobs: Iterable[Job], now: datetime) -> Iterator[Finding]:
    jobs = list(jobs)
    yield from clock_changes.check(jobs, now)
    yield from declarations.check(jobs)

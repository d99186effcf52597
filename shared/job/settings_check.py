"""Check an environment: invalid values of settings, and misspelt names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from shared.aws.names import ALERTS_TOPIC, BUCKET, CODE_VERSION
from shared.job.console_url import CONSOLE_URL
from shared.job.definition import Job
from shared.job.lease_margin import LEASE_MARGIN
from shared.job.overrides import configured
from shared.job.setting import Setting, SettingError

# Prefix of variables that name the deployment.
PLATFORM = "NIGHTSHIFT_"
# Brokers of Celery and RQ, whose workers run what they find there in their own deployment.
BROKERS = ("CELERY_BROKER_URL", "RQ_REDIS_URL")
# Variables of the project that are no settings of jobs.
OWN = frozenset(
    (
        "NIGHTSHIFT_STAGE",
        "NIGHTSHIFT_LOCAL",
        "NIGHTSHIFT_ACCOUNT",
        "NIGHTSHIFT_ALERTS_EMAIL",
        "NIGHTSHIFT_CELERY_APP",
        "NIGHTSHIFT_CONSOLE_URL",
        ALERTS_TOPIC,
        BUCKET,
        CODE_VERSION,
        "NIGHTSHIFT_JOB",
        "NIGHTSHIFT_LEASE_MARGIN",
        "NIGHTSHIFT_PARTITION",
        "NIGHTSHIFT_PRODUCTION",
        "NIGHTSHIFT_URL_SUFFIX",
        "CELERY_CONFIG_MODULE",
        *BROKERS,
    )
)
NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
# difflib's ratio from which a name is taken for a misspelt one; among names of one job less is enough.
CLOSE, CLOSE_OF_JOB = 0.9, 0.6


def invalid(jobs: Iterable[Job], environment: Mapping[str, str]) -> list[str]:
    """Errors of the settings in an environment, by variable.

    A valid text is an error too where a rule for declarations refuses the job that has its value.
    """
    jobs = list(jobs)
    read = {setting.name: setting for setting in _settings(jobs) if setting.name in environment}
    checks: list[Callable[[], object]] = [partial(setting.read, environment) for setting in read.values()]
    checks += [partial(configured, job.declared, environment) for job in jobs]
    errors = set[str]()
    for check in checks:
        try:
            check()
        except SettingError as error:
            errors.add(str(error))
    return sorted(errors)


def unknown(jobs: Iterable[Job], environment: Mapping[str, str]) -> list[str]:
    """Warnings about variables that resemble a setting, and which no job reads."""
    jobs = list(jobs)
    known = {setting.name for setting in _settings(jobs)} | OWN
    prefixes = {f"{job.env}_": [name for name in known if name.startswith(f"{job.env}_")] for job in jobs}
    prefixes[PLATFORM] = [name for name in known if name.startswith(PLATFORM)]
    return [
        f"{name} is not a setting; did you mean {near}?"
        for name in sorted({*environment} - known)
        if NAME.fullmatch(name) and (near := _nearest(name, known, prefixes))
    ]


def _settings(jobs: Iterable[Job]) -> Iterator[Setting]:
    yield LEASE_MARGIN
    yield CONSOLE_URL
    for job in jobs:
        yield from job.all_settings()


def _nearest(name: str, known: Iterable[str], prefixes: Mapping[str, list[str]]) -> str:
    own = [each for prefix, names in prefixes.items() if name.startswith(prefix) for each in names]
    if near := difflib.get_close_matches(name, own, n=1, cutoff=CLOSE_OF_JOB):
        return near[0]
    # Comparing a name with hundreds takes milliseconds: only with those of about its length, with its end or its start.
    candidates = [
        each for each in known if abs(len(each) - len(name)) <= 2 and (each[:3] == name[:3] or each[-3:] == name[-3:])
    ]
    near = difflib.get_close_matches(name, candidates, n=1, cutoff=CLOSE)
    return near[0] if near else ""

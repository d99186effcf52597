"""Stage file: what one deployment has besides the declarations of its jobs.

`stages/<stage>.toml` is committed, so that every person who deploys the stage deploys the same. A variable of the
environment overrides it and is reported.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra import account_resources
from infra.account_resources import AccountResources
from shared.aws.names import LOCAL
from shared.http import internal_token
from shared.job import settings_check
from shared.job.console_url import CONSOLE_URL
from shared.job.definition import Job
from shared.job.lease_margin import LEASE_MARGIN
from shared.job.setting import Setting, json_list
from shared.redaction import labelled, named, shaped
from shared.redaction.char_runs import byte_image
from shared.text.untrusted_toml import InvalidToml, read_toml

FOLDER = "stages"
MAX_BYTES = 1 << 20
# A line of a list may have hundreds of addresses.
MAX_DOTS = 2000
# A function's name has 64 characters: 40 are a job's, and 12 are left for the stage.
STAGE = r"[a-z][a-z0-9]{0,11}"
PRODUCTION, ALERTS_EMAIL = "NIGHTSHIFT_PRODUCTION", "NIGHTSHIFT_ALERTS_EMAIL"
# Settings of the deployment itself.
DEPLOYMENT = (LEASE_MARGIN.name, CONSOLE_URL.name, ALERTS_EMAIL)
SWITCHES = ("production", "protected", "dashboard", "alarms")
KEYS = (*SWITCHES, "secrets", "existing", "account", "tags", "settings")
# Resources that no stack creates: those that CloudFormation cannot find by name to import them.
EXISTING = ("secret", "queue")


class StageError(Exception):
    """The stage or its file is missing or invalid."""


@dataclass(frozen=True, slots=True)
class StageFile:
    """Content of a stage's file.

    production: None where the stage's name decides. protected: whether AWS refuses to delete stacks and tables.
    secrets: names. existing: resources that no stack creates. account: resources of the account, which the stacks use
    instead of their own. tags: of every resource. settings: variables with their text.
    """

    stage: str
    production: bool | None = None
    protected: bool = False
    dashboard: bool = True
    alarms: bool = True
    secrets: tuple[str, ...] = ()
    existing: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    account: AccountResources = field(default_factory=AccountResources)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether the stage has a file; the local cloud has none."""
        return self.stage != LOCAL

    @property
    def place(self) -> str:
        return f"{FOLDER}/{self.stage}.toml"

    @property
    def variables(self) -> dict[str, str]:
        """The file's part of the environment of a synthesis."""
        declared = {} if self.production is None else {PRODUCTION: str(self.production).lower()}
        return {**self.settings, **declared, **self.account.variables}


def required(given: str | None, root: Path) -> str:
    """The stage that a deployment names. Raises StageError."""
    stage = (given or "").strip()
    if not stage:
        raise StageError(f"no stage is given, and none is the default: add -c stage=STAGE. {_stages(root)}")
    if not re.fullmatch(STAGE, stage):
        raise StageError(
            f"the stage {stage!r} becomes part of every name: use up to 12 lower-case letters and digits, beginning "
            f"with a letter. {_stages(root)}"
        )
    return stage


def known(root: Path) -> list[str]:
    return sorted(path.stem for path in (root / FOLDER).glob("*.toml"))


def read(stage: str, root: Path, jobs: Iterable[Job]) -> StageFile:
    """Read the file of a stage, except for the local cloud.

    Raises StageError with all errors.
    """
    if stage == LOCAL:
        return StageFile(stage)
    path = root / FOLDER / f"{stage}.toml"
    try:
        _, content = read_toml(path, max_bytes=MAX_BYTES, max_dots=MAX_DOTS)
    except FileNotFoundError:
        raise StageError(
            f"there is no stage {stage!r}: create {FOLDER}/{stage}.toml for a new one. {_stages(root)}"
        ) from None
    except OSError as error:
        raise StageError(f"{FOLDER}/{stage}.toml cannot be read: {error}") from None
    except InvalidToml as error:
        raise StageError(f"{FOLDER}/{stage}.toml:{error.line}: {error}") from None
    jobs = list(jobs)
    if errors := [*_errors(content), *_of_secrets(content.get("secrets"), jobs)]:
        raise StageError("\n".join(f"{FOLDER}/{stage}.toml: {error}" for error in errors))
    lists = {setting.name for job in jobs for setting in job.all_settings() if setting.parse is json_list}
    return StageFile(
        stage,
        content.get("production"),
        content.get("protected", False),
        content.get("dashboard", True),
        content.get("alarms", True),
        secrets=tuple(content.get("secrets", ())),
        existing=tuple(content.get("existing", ())),
        settings={name: _text(name, value, lists) for name, value in content.get("settings", {}).items()},
        account=AccountResources.of(content.get("account", {})),
        tags=content.get("tags", {}),
    )


def faults(file: StageFile, jobs: Iterable[Job]) -> list[str]:
    """Errors about unknown settings and invalid values in the file."""
    jobs = list(jobs)
    names = {*_settings(jobs), *DEPLOYMENT}
    unread = [
        f"{name} is not a setting{_near(name, names)}; docs/reference/settings.md lists all"
        for name in file.settings
        if name not in names
    ]
    return [f"{file.place}: {error}" for error in [*unread, *settings_check.invalid(jobs, file.settings)]]


def overridden(file: StageFile, jobs: Iterable[Job], environment: Mapping[str, str]) -> list[str]:
    """Notices about settings that the deployer's environment overrides."""
    names = {*_settings(jobs), *DEPLOYMENT, PRODUCTION}
    return [
        f"{name}={_shown(environment[name])} of this environment "
        + (
            f"overrides {_shown(file.variables[name])} of {file.place}"
            if name in file.variables
            else f"is not in {file.place}"
        )
        + ": a deployment from another environment reverts it"
        for name in sorted(names & environment.keys())
        if environment[name].strip() and environment[name] != file.variables.get(name)
    ]


def _stages(root: Path) -> str:
    return f"Stages with a file in {FOLDER}/: {', '.join(known(root)) or 'none'}"


def _settings(jobs: Iterable[Job]) -> dict[str, Setting]:
    return {setting.name: setting for job in jobs for setting in job.all_settings()}


def _errors(content: Mapping[str, Any]) -> Iterator[str]:
    for key in content:
        if key not in KEYS:
            yield f"{key!r} is none of its keys, {', '.join(KEYS)}; settings stand below [settings]"
    for key in SWITCHES:
        if not isinstance(content.get(key, True), bool):
            yield f"{key} must be true or false"
    existing = content.get("existing", [])
    if not isinstance(existing, list) or any(str(name).partition("/")[0] not in EXISTING for name in existing):
        yield 'existing must be a list of secrets and queues, as in ["secret/mail-relay", "queue/mailbox-dlq"]'
    yield from account_resources.errors(content.get("account", {}))
    yield from account_resources.tag_errors(content.get("tags", {}))
    settings = content.get("settings", {})
    if not isinstance(settings, dict):
        yield "settings must be a table, [settings]"
        return
    for name, value in settings.items():
        if not _is_value(value):
            yield f"{name} must be a text, a whole number, true, false, or a list of texts"
        elif _is_secret(name, value):
            yield (
                f"{name} has the form of a secret, and this file is committed: put the value into Secrets Manager "
                "(docs/howto/deploy.md lists the names)"
            )


def _of_secrets(named_here: Any, jobs: Iterable[Job]) -> Iterator[str]:
    if named_here is None:
        return
    granted = {
        grant.resource.removeprefix("secret/")
        for job in jobs
        for grant in job.grants()
        if grant.resource.startswith("secret/")
    } | {internal_token.VIEWER_SECRET}
    if not isinstance(named_here, list) or not all(isinstance(name, str) for name in named_here):
        yield 'secrets must be a list of names, as in ["mail-relay"]'
        return
    for name in named_here:
        if name not in granted:
            # Not shown: it may be a value.
            yield f"an entry of secrets is not the name of a secret that a job reads: {', '.join(sorted(granted))}"


def _is_value(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(part, str) for part in value)
    return isinstance(value, str | bool | int)


def _is_secret(name: str, value: Any) -> bool:
    """Whether logs would mask the value.

    Personal data, such as the address of a sender, is allowed.
    """
    lines = [f"{name}={part}" for part in (value if isinstance(value, list) else [value])]
    return any(
        [*find(line, byte_image(line))] for line in lines for find in (named.spans, shaped.spans, labelled.spans)
    )


def _text(name: str, value: Any, lists: set[str]) -> str:
    if isinstance(value, list):
        # An empty list is a comma: an empty text counts as not set.
        return json.dumps(value) if name in lists else ",".join(value) or ","
    return str(value).lower() if isinstance(value, bool) else str(value)


def _near(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _shown(value: str) -> str:
    return repr(value if len(value) <= 60 else f"{value[:60]}...")

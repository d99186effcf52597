"""One deployment: stage, jobs, and the machine of their functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from infra.account_resources import AccountResources
from infra.import_graph import ImportGraph, ParsedModules
from infra.platform import LambdaPlatform
from shared.aws.names import CELERY, Names
from shared.job.definition import INLINE, Job
from shared.job.setting import SettingError
from shared.mail.message import MailRefused
from shared.mail.mime import address
from shared.mail.route import RELAY, SENDER

ROOT = Path(__file__).resolve().parent.parent
# Folders whose modules a bundle may contain.
SHIPPED = ("shared", "functions", "workers")


@dataclass(frozen=True)
class Deployment:
    """`names` has CloudFormation tokens for account and region.

    `environment` has the settings. The stage has a dashboard if `dashboard` is set, and alarms if `alarms` is.
    """

    names: Names
    jobs: Mapping[str, Job]
    target: LambdaPlatform
    environment: Mapping[str, str]

    dashboard: bool = True
    alarms: bool = True
    protected: bool = False
    """Whether CloudFormation and DynamoDB refuse to delete its stacks and tables."""
    secrets: frozenset[str] | None = None
    """Secrets that the stage uses, beside the token; None: all that jobs may read."""
    created_elsewhere: frozenset[str] = frozenset()
    """Resources that exist, and which no stack creates: `secret/mail-relay`, `queue/mailbox-dlq`."""

    account: AccountResources = field(default_factory=AccountResources)
    """Resources of the account that the stacks use instead of their own."""

    concurrency: Mapping[str, int] = field(default_factory=dict)
    """MaximumConcurrency of consumers, by job; what a job declares where it has none."""

    def existing(self, kind: str) -> set[str]:
        """Names of the resources of a kind that no stack creates."""
        return {name.partition("/")[2] for name in self.created_elsewhere if name.startswith(f"{kind}/")}

    def uses_secret(self, name: str) -> bool:
        return self.secrets is None or name in self.secrets

    @cached_property
    def imports(self) -> ImportGraph:
        """Import graph of this tree, which is read once for all bundles."""
        return ImportGraph(ROOT, *SHIPPED, parsed=ParsedModules.of_this_tree())

    @property
    def groups(self) -> list[str]:
        return sorted({job.group for job in self.jobs.values()})

    def of_group(self, group: str) -> list[Job]:
        return [job for job in self.jobs.values() if job.group == group]

    def ships_manifest(self, group: str) -> bool:
        return any(job.needs_manifest for job in self.of_group(group))

    def run_by(self, job: Job) -> str:
        """How the job is run, as the deployer has set it.

        Raises SettingError.
        """
        by: str = INLINE if job.queue else job.run_by().read(self.environment)
        return by

    def uses_celery(self, group: str) -> bool:
        """Whether the group's functions need Celery's library to send jobs."""
        return any(self.run_by(job) == CELERY for job in self.of_group(group))

    @property
    def sender(self) -> str:
        """The address that SES sends e-mail from.

        Empty for another relay or none. Raises SettingError.
        """
        relay, sender = RELAY.read(self.environment), SENDER.read(self.environment)
        if relay.scheme != "ses" or not sender:
            return ""
        try:
            return address(sender)
        except MailRefused as error:
            raise SettingError(f"{SENDER.name}: {error}") from None

    @property
    def collector(self) -> Job | None:
        return next((job for job in self.jobs.values() if job.collector), None)

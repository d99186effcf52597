"""CDK app: builds the stacks of all jobs that the registry finds.

Context: `stage`, or NIGHTSHIFT_STAGE; one is required. Settings come from the stage's file, and from the environment,
which overrides it; CDK_DEFAULT_ACCOUNT and CDK_DEFAULT_REGION are set by the CDK command line.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    # `python infra/app.py` puts infra/ there, not the folder above it.
    sys.path[0] = str(ROOT)

from infra import bytecode, node  # noqa: E402 - before aws_cdk, which is large and starts node when it is imported

bytecode.keep()
node.choose()

from aws_cdk import App, Aws, Environment, Stack  # noqa: E402

from infra import (  # noqa: E402
    app_context,
    mapping_concurrency,
    platform,
    public,
    quotas,
    regions,
    stage_file,
    synth,
    template_validation,
)
from infra.account_resources import AccountError  # noqa: E402
from infra.deployment import Deployment  # noqa: E402
from infra.function import packages  # noqa: E402
from infra.group import Group  # noqa: E402
from infra.layer import LayerError  # noqa: E402
from infra.progress import SynthProgress  # noqa: E402
from infra.queues import QueueError  # noqa: E402
from infra.roles import GrantError  # noqa: E402
from infra.stage_file import StageError, StageFile  # noqa: E402
from infra.state import State, UnknownIndex  # noqa: E402
from shared.aws.names import FIRST, FRONT_STACK, LOCAL, PLATFORM_GROUP, STATE_STACK, Names, declared_production  # noqa: E402
from shared.aws.permissions import Grant  # noqa: E402
from shared.job import registry, settings_check  # noqa: E402
from shared.job.setting import SettingError  # noqa: E402
from shared.job.validation import DeclarationError  # noqa: E402

STAGE_TAG, GROUP_TAG = "nightshift:stage", "nightshift:group"
# Errors in declarations or of this machine: shown without a traceback. Any other error is a bug.
REFUSALS = (
    *(DeclarationError, StageError, quotas.LimitError, QueueError, GrantError, LayerError, SettingError),
    *(UnknownIndex, AccountError, app_context.ContextError, template_validation.TemplateError, regions.RegionError),
)


def read_deployment(file: StageFile) -> Deployment:
    stage = file.stage
    return Deployment(
        names=Names(
            *(stage, Aws.ACCOUNT_ID, Aws.REGION, Aws.PARTITION, Aws.URL_SUFFIX, declared_production(os.environ)),
            given_bucket=file.account.bucket,
            given_topic=file.account.alerts_topic,
        ),
        jobs={name: job for name, job in registry.jobs().items() if not job.stages or stage in job.stages},
        target=platform.on_this_machine() if stage == LOCAL else platform.on_lambda(),
        environment=os.environ,
        dashboard=file.dashboard,
        alarms=file.alarms,
        protected=file.protected,
        secrets=frozenset(file.secrets) if file.known else None,
        created_elsewhere=frozenset(file.existing),
        account=file.account,
    )


def configure(given: str | None) -> StageFile:
    """Add the settings of the stage's file to this process's environment.

    Variables that are set override the file. Raises StageError.
    """
    file = stage_file.read(stage_file.required(given, ROOT), ROOT, registry.discover({}).jobs.values())
    for notice in stage_file.overridden(file, registry.discover().jobs.values(), os.environ) if file.known else ():
        sys.stderr.write(f"{notice}\n")
    for name, value in file.variables.items():
        if not os.environ.get(name, "").strip():
            os.environ[name] = value
    # Of jobs that the settings add too: plugins.
    if errors := stage_file.faults(file, registry.discover().jobs.values()):
        raise StageError("\n".join(errors))
    return file


def grants(deployment: Deployment, urls: list[public.Endpoint]) -> list[Grant]:
    return [
        *(grant for job in deployment.jobs.values() for grant in job.grants()),
        *(grant for endpoint in urls for grant in endpoint.granted(deployment.jobs)),
    ]


def account_and_region() -> tuple[str | None, str | None]:
    """Account and region of the CDK command line, if known."""
    return os.environ.get("CDK_DEFAULT_ACCOUNT"), os.environ.get("CDK_DEFAULT_REGION")


def _in_order(deployment: Deployment) -> list[str]:
    return sorted(deployment.groups, key=lambda name: name != PLATFORM_GROUP)


def build(
    app: App, deployment: Deployment, urls: list[public.Endpoint], tags: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Build every stack, in deployment order.

    Stacks refer to resources of earlier stacks by name. tags: of every resource, beside the stacks' own.
    """

    def options(group: str, description: str) -> dict[str, Any]:
        return {
            "env": where,
            "description": f"Nightshift: {description}",
            "termination_protection": deployment.protected,
            # CloudFormation passes them on to the resources. No tag of the commit: each would update every resource.
            "tags": {**tags, STAGE_TAG: deployment.names.stage, GROUP_TAG: group},
        }

    account, region = account_and_region()
    where = Environment(account=account, region=region)
    state = State(
        app,
        deployment,
        grants(deployment, urls),
        **options(STATE_STACK, "tables, artifacts, alerts, secrets"),
    )
    groups = {
        group: Group(app, group, deployment, **options(group, f"the jobs of {group}"))
        for group in _in_order(deployment)
    }
    earlier: list[Stack] = [state]
    for group in deployment_order(app, groups):
        for stack in earlier:
            groups[group].add_stack_dependency(stack)
        if group in (PLATFORM_GROUP, app.node.try_get_context(FIRST)):
            earlier.append(groups[group])
    if not (urls or deployment.alarms or deployment.dashboard):
        # CloudFormation has no stack without resources.
        return
    last = public.Front(app, deployment, urls, **options(FRONT_STACK, "Function URLs, alarms, dashboard"))
    for stack in [state, *groups.values()]:
        last.add_stack_dependency(stack)


def deployment_order(app: App, groups: Iterable[str]) -> list[str]:
    """Names of the groups; those deployed before the others come first.

    `-c first=GROUP` names the group that a job moves away from: the job's names are free once that stack is updated.
    Raises StageError.
    """
    first, names = app.node.try_get_context(FIRST), list(groups)
    if first not in (None, *names):
        raise StageError(f"-c {FIRST}={first}: there is no such group; groups: {', '.join(names)}")
    return sorted(names, key=lambda name: (name != first, name != PLATFORM_GROUP))


def flags() -> dict[str, object]:
    """Feature flags of cdk.json, for runs without the CDK command line.

    Flags that it passes override these.
    """
    context: dict[str, object] = json.loads((ROOT / "cdk.json").read_text())["context"]
    return context


def check_settings() -> None:
    """Refuse invalid settings and warn of misspelt names.

    Raises SettingError with all errors.
    """
    jobs = registry.jobs().values()
    for warning in settings_check.unknown(jobs, os.environ):
        sys.stderr.write(f"{warning}\n")
    if errors := settings_check.invalid(jobs, os.environ):
        raise SettingError("\n".join(errors))


def main() -> None:
    app = App(context=flags())
    app_context.check({*app.node.get_all_context()} - flags().keys())
    given = app.node.try_get_context(app_context.STAGE)
    file = configure(os.environ.get("NIGHTSHIFT_STAGE") if given is None else given)
    deployment, urls = read_deployment(file), public.endpoints()
    if deployment.names.production and not deployment.protected:
        sys.stderr.write(f"{file.place}: once the first deployment has succeeded, set protected = true\n")
    if deployment.target.compiler is None:
        sys.stderr.write(
            f"No Python {deployment.target.python} on this machine: functions are shipped without compiled code, and a "
            f"cold start takes 3.7 times as long: uv python install {deployment.target.python}\n"
        )
    check_settings()
    file.account.check(*account_and_region())
    concurrency = mapping_concurrency.sized(
        {job.name: job.concurrency for job in deployment.jobs.values() if job.queue},
        mapping_concurrency.pool_of(app.node.try_get_context(mapping_concurrency.POOL)),
        (public.concurrency(app) or 0) * len(urls),
    )
    deployment = replace(deployment, concurrency=concurrency)
    quotas.check_declarations(deployment)
    groups = {
        **{group: deployment.ships_manifest(group) for group in _in_order(deployment)},
        **{url.name: True for url in urls},
    }
    # Packages are built beside the constructs, which mostly wait for node. An error here is raised again there.
    progress = SynthProgress(len(groups))
    with ThreadPoolExecutor(2, "packing") as pool:
        for group, manifest in groups.items():
            pool.submit(packages, group, deployment, with_manifest=manifest).add_done_callback(progress.packed)
        build(app, deployment, urls, file.tags)
    deployment.imports.parsed.save()
    progress.say("writing the templates")
    if app.node.try_get_context(app_context.NAG):
        from infra import nag

        nag.check(app, deployment.names, grants(deployment, urls))
    folder = Path(app.synth().directory)
    templates = synth.read(folder)
    quotas.check_templates(templates)
    regions.check(templates, account_and_region()[1] if file.stage != LOCAL else None)
    if file.stage != LOCAL:
        # The local cloud's templates are those of a stage, which the tests validate.
        files = synth.files(folder)
        changed = template_validation.check(app, files, *account_and_region())
        progress.say(f"validated {changed} of {len(files)} templates")


if __name__ == "__main__":
    try:
        main()
    except REFUSALS as error:
        sys.exit(f"{type(error).__name__}: {error}")

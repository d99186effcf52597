"""Engine of one command: started, deployed if necessary, and stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cli import log_lines, output
from cli.paths import local_folder
from cli.up import demo_sites, leftover_runs, local_services, machine
from cli.up.connection import connect
from local.deploy import DeployError, LocalDeployment
from local.engine.engine import Engine, EngineError
from local.engine.properties import DroppedProperty
from local.running import STATE, workspace
from shared import tables
from shared.aws.cloud import Cloud
from shared.aws.names import LOCAL, Names
from shared.clock import Clock
from shared.job import registry
from shared.observability.log import Log

# Errors of a start; each message states what to do.
START_ERRORS = (EngineError, DeployError, DroppedProperty)


@contextmanager
def kept_state() -> Iterator[Cloud]:
    """Serve the state as it is."""
    with Engine(local_folder() / STATE) as engine, connect(engine) as cloud:
        yield cloud


@contextmanager
def deployed_cloud() -> Iterator[Cloud]:
    """Serve the state, with the services and sites that jobs call.

    Deployed only if tables are missing, so that a changed job runs without a deployment.
    """
    began = Clock().now()
    machine.require(local_folder())
    with (
        demo_sites.sites() as sites,
        local_services.start(local_folder()) as services,
        Engine(local_folder() / STATE) as engine,
    ):
        settings = workspace(local_folder()) | services.settings | demo_sites.settings(sites)
        if _lacks_tables(engine):
            output.notice("deploying to the local cloud, once")
            LocalDeployment(engine, settings=settings, stage=LOCAL, report=output.notice).run()
        with connect(engine, settings) as cloud:
            log = Log(log_lines.print_text, cloud.clock)
            leftover_runs.mark_lost(cloud, registry.discover().jobs.values(), began, log)
            if sites:
                demo_sites.store_credentials(sites, cloud)
            yield cloud


def _lacks_tables(engine: Engine) -> bool:
    declared = {Names(LOCAL, engine.account, engine.region).table(table.name) for table in tables.TABLES}
    pages = engine.client("dynamodb").get_paginator("list_tables").paginate()
    return not declared <= {name for page in pages for name in page["TableNames"]}

"""Start the local cloud, check the sites, and fire jobs on schedule."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from cli import log_lines, options, output, registered_jobs
from cli.exit_codes import CommandError, Exit
from cli.paths import local_folder
from cli.progress import Progress
from cli.unreachable import read_or_report
from cli.up import (
    connection,
    demo_sites,
    leftover_runs,
    local_services,
    machine,
    own_engine,
    report,
    service_ports,
)
from cli.up.first_run import CRASH, FirstRun, run_line
from cli.up.follow import HistoryFollower
from functions.sites.seed import seed
from local.cloud import LocalCloud
from local.running import running, workspace
from shared import clock
from shared.advised_commands import advised
from shared.aws.names import LOCAL
from shared.clock import Clock
from shared.job import registry
from shared.observability.log import Log

EXAMPLES = ("up", "up --once")
EVALUATIONS = 4
POLL = 1.0
STOPPED = "stopped the local cloud, which interrupted the runs in progress: they are lost, and not retried"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--once",
        action="store_true",
        help="start from empty state and end after the first runs (default: run until Ctrl-C)",
    )
    options.add_services(parser)


def call(args: argparse.Namespace) -> int:
    registered_jobs.require_valid_settings(registered_jobs.jobs().values())
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    machine.require(local_folder())
    with options.local_services(args), _fresh_folder() if args.once else _permanent_folder() as folder:
        try:
            with _first_run(folder, args.once, Progress()) as first_run:
                if not args.once:
                    _stay(first_run, folder)
        except KeyboardInterrupt:
            output.notice(f"\n{STOPPED}; the state is in {report.short(folder)}")
            return Exit.FAILED if args.once else Exit.DONE
        except own_engine.START_ERRORS as error:
            raise CommandError(Exit.NO_CLOUD, f"the local cloud cannot be started: {error}") from error
    return Exit.FAILED if first_run.missing else Exit.DONE


@contextmanager
def _fresh_folder() -> Iterator[Path]:
    """.local/run, or .local/run-2 and so on while another `make run` uses it."""
    for number in count(1):
        folder = local_folder() / (f"run-{number}" if number > 1 else "run")
        with connection.lock(folder) as locked:
            if locked:
                yield folder
                return


@contextmanager
def _permanent_folder() -> Iterator[Path]:
    while not (other := running(local_folder())):
        with connection.lock(local_folder()) as locked:
            if locked:
                yield local_folder()
                return
        time.sleep(POLL)
    raise CommandError(
        Exit.WRONG_USE,
        f"the local cloud is running already, as process {other.pid}; `{advised(LOCAL, 'status')}` uses it",
    )


@contextmanager
def _first_run(folder: Path, once: bool, progress: Progress) -> Iterator[FirstRun]:
    """Deploy and start everything, and report the first runs.

    The local cloud runs while the block lasts.
    """
    began = Clock().now()
    with ExitStack() as closing:
        ports = service_ports.of_last_run(folder) if once else service_ports.FIXED
        sites = closing.enter_context(demo_sites.sites(ports))
        services = closing.enter_context(local_services.start(folder, ports))
        if once:
            services.ports.with_sites(sites.ports if sites else ()).remember(folder)
        settings = workspace(folder) | services.settings | demo_sites.settings(sites)
        local = LocalCloud(folder, fresh=once, firing=not once, settings=settings, report=progress)
        engine = closing.enter_context(local).engine
        cloud = closing.enter_context(connection.connect(engine, settings))
        # Entered last, so left first: a second Ctrl-C must not interrupt the save that the first one started.
        closing.callback(signal.signal, signal.SIGINT, signal.SIG_IGN)
        parts = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in local.took.items())
        progress(f"deployed ({parts or 'nothing had changed'})")
        leftover_runs.mark_lost(cloud, registry.jobs().values(), began, Log(log_lines.print_text, cloud.clock))
        if sites:
            demo_sites.store_credentials(sites, cloud)
            # Another seed at each start, so that there are evaluations to execute.
            seed(cloud, EVALUATIONS, clock.milliseconds(began))
        first_run = FirstRun(cloud, local.ticker, registry.jobs(), progress, patience=progress.seconds)
        progress(f"firing the rules of {', '.join(job.name for job in first_run.checks)}, and the sample job {CRASH}")
        first_run.fire()
        first_run.wait()
        missing = ", ".join(first_run.missing)
        progress(f"no result from {missing}; see {folder / 'logs'}" if missing else "done")
        print()
        report.show(first_run, sites, local)
        yield first_run


def _stay(first_run: FirstRun, folder: Path) -> None:
    """Print a line for each run that ends, until Ctrl-C."""
    print(f"\nJobs fire on schedule now. Ctrl-C stops them; the state stays in {report.short(folder)}.")
    follower = HistoryFollower(first_run.cloud, first_run.jobs.values(), first_run.cloud.clock.now())
    while True:
        time.sleep(POLL)
        for row in read_or_report(follower.new_rows, "the history"):
            print(f"{row['started'][11:19]}  {run_line(row)}", flush=True)

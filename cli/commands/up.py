"""Starts the local cloud with everything deployed, checks the sites once, shows how it went; then fires on schedule."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from cli import output
from cli.exit_codes import Exit, Stop
from cli.progress import Progress
from cli.up import demo_sites, leftover_runs, local_services, local_session, report
from cli.up.first_run import CRASH, Tour, told
from cli.up.follow import Watch
from functions.sites.seed import seed
from local.cloud import LocalCloud, running, workspace
from shared.advised_commands import advised
from shared.aws.names import LOCAL
from shared.clock import Clock
from shared.job import registry

EVALUATIONS = 4
POLL = 1.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="from fresh state, and end when everything was shown")


def call(args: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _folder_of_its_own() if args.once else _kept_folder() as folder:
        try:
            with _toured(folder, args.once, Progress()) as tour:
                if not args.once:
                    _stay(tour, folder)
        except KeyboardInterrupt:
            output.say(f"\nstopped; the state is kept in {report.short(folder)}")
            return Exit.FAILED if args.once else Exit.DONE
        except local_session.FAULTS as error:
            raise Stop(Exit.NO_CLOUD, f"the local cloud cannot be started: {error}") from error
    return Exit.FAILED if tour.missing else Exit.DONE


@contextmanager
def _folder_of_its_own() -> Iterator[Path]:
    """.local/run, or the next one where another `make run` is at work there."""
    for number in count(1):
        folder = local_session.folder() / (f"run-{number}" if number > 1 else "run")
        with local_session.alone(folder) as mine:
            if mine:
                yield folder
                return


@contextmanager
def _kept_folder() -> Iterator[Path]:
    while not (found := running(local_session.folder())):
        with local_session.alone(local_session.folder()) as mine:
            if mine:
                yield local_session.folder()
                return
        time.sleep(POLL)
    raise Stop(Exit.WRONG_USE, f"it is up already, as process {found.pid}; `{advised(LOCAL, 'status')}` looks at it")


@contextmanager
def _toured(folder: Path, once: bool, progress: Progress) -> Iterator[Tour]:
    """Everything started, and the tour shown; the local cloud is there for as long as the block lasts."""
    began = Clock().now()
    with ExitStack() as closing:
        sites = closing.enter_context(demo_sites.sites(0 if once else demo_sites.PORT))
        near = closing.enter_context(local_services.around(folder, anywhere=once))
        settings = workspace(folder) | near | demo_sites.settings(sites)
        started = LocalCloud(folder, fresh=once, firing=not once, settings=settings, report=progress)
        engine = closing.enter_context(started).engine
        cloud = closing.enter_context(local_session.at(engine, settings))
        # Entered last, so left first: a second Ctrl-C must not cut the saving short that the first one began.
        closing.callback(signal.signal, signal.SIGINT, signal.SIG_IGN)
        parts = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in started.took.items())
        progress(f"deployed ({parts or 'nothing had changed'})")
        leftover_runs.bury(cloud, registry.jobs().values(), began)
        if sites:
            demo_sites.hand_over_credentials(sites, cloud)
            seed(cloud, EVALUATIONS)
        tour = Tour(cloud, started.ticker, registry.jobs(), progress)
        progress(f"firing the rules of {', '.join(job.name for job in tour.checks)}, and the sample job {CRASH}")
        tour.fire()
        tour.wait()
        progress("done" if not tour.missing else f"no word from {', '.join(tour.missing)}; see {folder / 'logs'}")
        print()
        report.show(tour, sites, started)
        yield tour


def _stay(tour: Tour, folder: Path) -> None:
    """Until Ctrl-C: a line for each run that ends."""
    print(f"\nJobs fire on schedule now; Ctrl-C ends it, and the state stays in {report.short(folder)}.")
    watch = Watch(tour.cloud, tour.jobs.values(), tour.cloud.clock.now())
    while True:
        time.sleep(POLL)
        for row in watch.new():
            print(f"{row['started'][11:19]}  {told(row)}", flush=True)

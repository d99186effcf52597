"""Starts the local cloud with everything deployed, checks the sites once, shows how it went; then fires on schedule."""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from cli import account, findings, laptop, output
from cli.ending import Exit, Stop
from cli.progress import Progress
from cli.tour import CRASH, Tour, told
from cli.watch import Watch
from functions.sites.auth import CREDENTIALS
from functions.sites.seed import seed
from local import demo_site
from local.cloud import FOLDER, LocalCloud, running, settings_of
from local.demo_site import DemoSite
from local.deploy import DeployError
from local.engine import EngineError
from shared import registry
from shared.cloud import Cloud
from shared.names import LOCAL, Names
from shared.settings import BASE_URLS

# Kept from one `up` to the next where they are free, so that the deployed settings need not change.
DEMO_PORT = 7778
EVALUATIONS = 4
POLL = 1.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="from fresh state, and end when everything was shown")


def call(args: argparse.Namespace) -> int:
    own_sites = bool(BASE_URLS.read())
    progress = Progress()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as closing:
        folder = closing.enter_context(_folder_of_its_own() if args.once else _kept_folder())
        try:
            demo = None if own_sites else closing.enter_context(_demo(args.once))
            tour = closing.enter_context(_toured(folder, args.once, demo, progress))
            if not args.once:
                _stay(tour, folder)
        except KeyboardInterrupt:
            output.say(f"\nstopped; the state is kept in {findings.short(folder)}")
            return Exit.FAILED if args.once else Exit.DONE
        except (EngineError, DeployError) as error:
            raise Stop(Exit.NO_CLOUD, f"the local cloud cannot be started: {error}") from error
    return Exit.FAILED if tour.missing else Exit.DONE


@contextmanager
def _folder_of_its_own() -> Iterator[Path]:
    """.local/run, or the next one where another `make run` is at work there."""
    for number in count(1):
        folder = FOLDER / (f"run-{number}" if number > 1 else "run")
        with laptop.alone(folder) as mine:
            if mine:
                yield folder
                return


@contextmanager
def _kept_folder() -> Iterator[Path]:
    while not (found := running()):
        with laptop.alone(FOLDER) as mine:
            if mine:
                yield FOLDER
                return
        time.sleep(POLL)
    raise Stop(Exit.WRONG_USE, f"it is up already, as process {found.pid}; `python jobs.py status` looks at it")


@contextmanager
def _demo(once: bool) -> Iterator[DemoSite]:
    try:
        demo = demo_site.start(0 if once else DEMO_PORT)
    except OSError:
        demo = demo_site.start()
    try:
        yield demo
    finally:
        demo.stop()


@contextmanager
def _toured(folder: Path, once: bool, demo: DemoSite | None, progress: Progress) -> Iterator[Tour]:
    """Everything started, and the tour shown; the local cloud is there for as long as the block lasts."""
    given = LocalCloud(folder, fresh=once, firing=not once, settings=_settings(demo), report=progress)
    with given as started, _environment(started), _unhurried():
        parts = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in started.took.items())
        progress(f"deployed ({parts or 'nothing had changed'})")
        cloud = Cloud(Names(LOCAL, started.engine.account, started.engine.region))
        if demo:
            secret = cloud.names.secret(CREDENTIALS)
            cloud.secrets.put_secret_value(SecretId=secret, SecretString=demo.credentials)
            seed(cloud, EVALUATIONS)
        tour = Tour(cloud, started.ticker, registry.jobs(), progress)
        progress(f"firing the rules of {', '.join(job.name for job in tour.checks)}, and the sample job {CRASH}")
        tour.fire()
        tour.wait()
        progress("done" if not tour.missing else f"no word from {', '.join(tour.missing)}; see {folder / 'logs'}")
        print()
        findings.show(tour, demo, started)
        yield tour


def _settings(demo: DemoSite | None) -> dict[str, str]:
    """What the templates are made with: the user's settings, and what makes the demonstration one."""
    shown = {f"SAMPLE_{CRASH.upper()}_ENABLE": "true"}
    if demo:
        shown |= {
            BASE_URLS.name: json.dumps(demo.base_urls),
            "WEB_EVAL_EXEC_ENABLE": "true",
            "WEB_EVAL_EXEC_HOSTS": ",".join(demo.hosts),
        }
    return settings_of(os.environ) | shown


@contextmanager
def _environment(started: LocalCloud) -> Iterator[None]:
    engine = started.engine
    here = engine.environment(os.environ) | account.said(LOCAL, engine.account, engine.region)
    with account.environment({**here, **started.deployment.settings}):
        yield


@contextmanager
def _unhurried() -> Iterator[None]:
    """A second Ctrl-C must not cut the saving short that the first one began."""
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _stay(tour: Tour, folder: Path) -> None:
    """Until Ctrl-C: a line for each run that ends."""
    print(f"\nJobs fire on schedule now; Ctrl-C ends it, and the state stays in {findings.short(folder)}.")
    watch = Watch(tour.cloud, tour.jobs.values(), tour.cloud.clock.now())
    while True:
        time.sleep(POLL)
        for row in watch.new():
            print(f"{row['started'][11:19]}  {told(row)}", flush=True)

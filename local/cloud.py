"""Local cloud: engine, deployment, ticker and function URLs."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from local.deploy import DeployError, LocalDeployment, settings_of
from local.engine.engine import ROOT, Engine
from local.function_urls import FunctionUrlProxy
from local.reload import Reload
from local.running import FOLDER, STATE, Running, running, workspace
from local.scheduler.delivery import UnknownTarget
from local.scheduler.expression import ExpressionError
from local.scheduler.ticker import Ticker
from shared.aws.names import LOCAL, Names
from shared.http.local_ports import LOCAL_PORTS


class AlreadyRunning(RuntimeError):
    """Another local cloud uses the same folder."""


class LocalCloud:
    """`with LocalCloud() as cloud:` deploys everything and fires schedules.

    firing: false to fire nothing. settings: environment variables of the templates (default: this process's). report:
    called with each step. Raises AlreadyRunning, EngineError, and DeployError, also if a template needs something
    that the local cloud lacks.
    """

    def __init__(
        self,
        folder: Path = FOLDER,
        *,
        fresh: bool = False,
        firing: bool = True,
        root: Path = ROOT,
        settings: Mapping[str, str] | None = None,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder = folder.resolve()
        self.firing = firing
        self.report = report
        self.engine = Engine(self.folder / STATE, fresh)
        variables = {**workspace(self.folder), **settings_of(os.environ)} if settings is None else settings
        self.deployment = LocalDeployment(self.engine, root, variables, LOCAL, report=report)
        self.function_urls: dict[str, str] = {}
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> LocalCloud:
        if other := running(self.folder):
            raise AlreadyRunning(f"a local cloud runs already, as process {other.pid}, on {other.endpoint}")
        with contextlib.ExitStack() as undone:
            self._start(undone)
            self._closing = undone.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closing.close()

    @property
    def took(self) -> dict[str, float]:
        """Seconds by part of the deployment; empty where nothing had changed."""
        return self.deployment.took

    def client(self, service: str) -> Any:
        return self.engine.client(service)

    def _start(self, closing: contextlib.ExitStack) -> None:
        self.report("starting the engine")
        closing.enter_context(self.engine)
        self.report("deploying")
        self.deployment.run()
        self.ticker = Ticker(self.client)
        closing.callback(self.ticker.stop)
        try:
            self.ticker.sources()
        except (UnknownTarget, ExpressionError) as error:
            # At the deployment, not at the first tick.
            raise DeployError(str(error)) from error
        self._serve_function_urls(closing)
        if self.firing:
            threading.Thread(target=self.ticker.run, name="ticker", daemon=True).start()
            reload = Reload(self.deployment.run, self.report)
            closing.callback(reload.stop)
            threading.Thread(target=reload.run, name="reload", daemon=True).start()
        self._announce(closing)

    def _serve_function_urls(self, closing: contextlib.ExitStack) -> None:
        from botocore.exceptions import ClientError

        functions, names = self.client("lambda"), Names(LOCAL, self.engine.account, self.engine.region)
        for name, port in LOCAL_PORTS.items():
            with contextlib.suppress(ClientError):
                url = functions.get_function_url_config(FunctionName=names.function(name))["FunctionUrl"]
                proxy = FunctionUrlProxy(url, self.engine.endpoint, port)
                closing.callback(proxy.close)
                self.function_urls[name] = proxy.url

    def _announce(self, closing: contextlib.ExitStack) -> None:
        file = self.folder / "endpoint.json"
        record = Running(
            endpoint=self.engine.endpoint,
            account=self.engine.account,
            region=self.engine.region,
            pid=os.getpid(),
            function_urls=self.function_urls,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            token=self.engine.token,
        )
        # The token stays in its own file, which only its user may read.
        public = {name: value for name, value in asdict(record).items() if name != "token"}
        unfinished = file.with_suffix(".new")
        unfinished.write_text(json.dumps(public, indent=1))
        unfinished.replace(file)
        closing.callback(file.unlink, missing_ok=True)

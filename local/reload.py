"""Reload of plugins: deploys edited ones, reports invalid ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from local.assemblies import fingerprint
from local.deploy import DeployError
from shared.job.validation import DeclarationError
from shared.plugins.manifest import discovery, handler_ref
from shared.plugins.manifest.handler_ref import HandlerError

SECONDS = 1.0


class Reload:
    """Deploys plugins whose files change.

    check: raises DeclarationError for invalid plugins. deploy: raises DeployError. On either error the deployed version
    continues to run.
    """

    def __init__(
        self,
        deploy: Callable[[], object],
        report: Callable[[str], None],
        folders: Callable[[], Iterable[Path]] | None = None,
        check: Callable[[], object] = discovery.plugins,
    ) -> None:
        self.deploy = deploy
        self.report = report
        self.folders = folders or of_plugins
        self.check = check
        self._seen = self._state()
        self._stop = threading.Event()

    def poll(self) -> bool:
        """Deploy if the files changed; whether it did.

        Each state of the files is tried once.
        """
        state = self._state()
        if state == self._seen:
            return False
        self._seen = state
        try:
            self.check()
            _parse(self.folders())
            self.report("plugins have changed: deploying")
            self.deploy()
        except (DeclarationError, DeployError) as error:
            self.report(f"plugins are not deployed: {error}")
            return False
        self.report("plugins are deployed")
        return True

    def run(self) -> None:
        while not self._stop.wait(SECONDS):
            self.poll()

    def stop(self) -> None:
        self._stop.set()

    def _state(self) -> str:
        try:
            return fingerprint(sorted(self.folders()))
        except (OSError, DeclarationError) as error:
            # The file is being written.
            return f"unreadable: {error}"


def _parse(folders: Iterable[Path]) -> None:
    """Raise DeclarationError for a syntax error in any file of a plugin."""
    for file in sorted(file for folder in folders for file in folder.rglob("*.py")):
        try:
            handler_ref.parse(file)
        except HandlerError as error:
            raise DeclarationError(f"{file}:{error.line}: {error}") from None


def of_plugins() -> Iterable[Path]:
    """Folders of all manifests, valid or not."""
    return {path.resolve().parent for path in discovery.places() if path.exists()}

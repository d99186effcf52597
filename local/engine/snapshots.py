"""Consistent snapshots of the local cloud's state on disk.

A save writes one JSON file for each service that changed and, if objects changed, a folder of hard links to them (an
object's file is replaced, never written in place). Large byte strings are files of their own. `manifest.json` names the
files that belong together and is replaced last, so there is always one complete state. A save happens every few seconds
and on a clean stop: `kill -9` loses the changes since the last one. Log events and invocations in progress are not
saved.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from local.engine import emulator
from local.engine.blobs import Blobs

LOG = logging.getLogger(__name__)
SECONDS = 3.0
# Requests wait while a state is copied: copies take at most a twentieth of the time.
SHARE = 20
OBJECTS = "s3.objects"

T = TypeVar("T")


class Store:
    """Loads and saves.

    `on_loop(function)` runs it on the engine's loop, between two requests.
    """

    def __init__(self, folder: Path, on_loop: Callable[[Callable[[], Any]], Any]) -> None:
        self.folder = folder
        self.live = folder / "objects"
        self.saved = folder / "saved"
        self.on_loop = on_loop
        self.changed: set[str] = set()
        self.blobs = Blobs(folder / "bytes")
        #: Names of the large byte strings in the files of the manifest, and in those being written, by service.
        self._used: dict[str, set[str]] = {}
        self._written: dict[str, set[str]] = {}
        self._saving = threading.Lock()
        self._stop = threading.Event()

    def load(self) -> None:
        """Restore the last save.

        Call it before a service is imported: ministack reads the objects at import.
        """
        manifest = self._manifest()
        shutil.rmtree(self.live, ignore_errors=True)
        self.live.mkdir(parents=True)
        self.saved.mkdir(parents=True, exist_ok=True)
        if OBJECTS in manifest:
            _link_tree(self.saved / manifest[OBJECTS], self.live)
        app = emulator.application()
        for key, module in app._state_map.items():
            if key in manifest:
                text = (self.saved / manifest[key]).read_text()
                app._get_module(module).load_persisted_state(json.loads(text, object_hook=self._decoder(key)))

    def save(self, everything: bool = False) -> float:
        """Save the changes, or everything.

        Returns the seconds that requests had to wait.
        """
        with self._saving:
            states = emulator.application()._build_persistence_save_dict()
            changed = set(states) if everything else self.changed & set(states)
            # A stack in progress changes state without further requests.
            self.changed = set(states) if _deploying() else set()
            if not changed:
                return 0.0
            generation = str(time.time_ns())
            began = time.monotonic()
            with _blobs_kept() as prune:
                texts = self.on_loop(lambda: self._copy({key: states[key] for key in changed}, generation))
                waited = time.monotonic() - began
                manifest = self._manifest()
                for key, text in texts.items():
                    manifest[key] = f"{key}.{generation}.json"
                    (self.saved / manifest[key]).write_text(text)
                if "s3" in changed:
                    manifest[OBJECTS] = f"{OBJECTS}.{generation}"
                self._publish(manifest)
                prune()
            return waited

    def run(self) -> None:
        """Save every few seconds until `stop`."""
        pause = SECONDS
        while not self._stop.wait(pause):
            try:
                pause = max(SECONDS, SHARE * self.save())
            except Exception:
                LOG.exception("could not save to %s; next attempt in %.0f s", self.saved, pause)

    def stop(self) -> None:
        self._stop.set()
        self.save(everything=True)

    def _copy(self, states: dict[str, Callable[[], Any]], generation: str) -> dict[str, str]:
        self._written = {}
        if "s3" in states:
            _link_tree(self.live, self.saved / f"{OBJECTS}.{generation}")
        if "dynamodb" in states:
            states["dynamodb"] = _tables
        return {key: _undisturbed(functools.partial(_text, state, self._encoder(key))) for key, state in states.items()}

    def _encoder(self, key: str) -> Callable[[Any], Any]:
        default, used = emulator.core("persistence")._json_default, self._written.setdefault(key, set())
        return lambda value: self.blobs.replaced(value, used) or default(value)

    def _decoder(self, key: str) -> Callable[[dict[str, Any]], Any]:
        restore, used = emulator.core("persistence")._json_object_hook, self._used.setdefault(key, set())
        return lambda value: self.blobs.restored(value, used) or restore(value)

    def _manifest(self) -> dict[str, str]:
        with contextlib.suppress(OSError):
            manifest: dict[str, str] = json.loads((self.saved / "manifest.json").read_text())
            return manifest
        return {}

    def _publish(self, manifest: dict[str, str]) -> None:
        unfinished = self.saved / "manifest.new"
        unfinished.write_text(json.dumps(manifest))
        unfinished.replace(self.saved / "manifest.json")
        for path in self.saved.iterdir():
            if path.name not in manifest.values() and path.name != "manifest.json":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        # Last: until the manifest is replaced, the saved files are the previous ones.
        self._used |= self._written
        self.blobs.prune(name for used in self._used.values() for name in used)


def _deploying() -> bool:
    formation = sys.modules.get("ministack.services.cloudformation")
    stacks = list(formation._stacks.all_values()) if formation else []
    return any(stack["StackStatus"].endswith("_IN_PROGRESS") for stack in stacks)


def _tables() -> dict[str, Any]:
    """DynamoDB's state, without a copy.

    ministack's own function copies every item, 0.8 s for 50,000.
    """
    module = emulator.service("dynamodb")
    tables = type(module._tables)()
    for (account, region, name), table in module._tables.all_items():
        tables.set_scoped(account, region, name, {k: v for k, v in table.items() if k != module._INDEX_MEMBERS})
    others = ("tags", "ttl_settings", "pitr_settings", "kinesis_destinations", "contributor_insights", "backups")
    more = ("resource_policies", "exports", "imports")
    return {"tables": tables, **{name: getattr(module, f"_{name}") for name in (*others, *more)}}


@contextlib.contextmanager
def _blobs_kept() -> Any:
    """Delay ministack's removal of old code until the state is saved."""
    functions = emulator.service("lambda_svc")
    original = functions._prune_orphan_code_blobs
    referenced: list[set[str]] = []
    functions._prune_orphan_code_blobs = referenced.append
    try:
        yield lambda: [original(names) for names in referenced]
    finally:
        functions._prune_orphan_code_blobs = original


def _text(state: Callable[[], Any], default: Callable[[Any], Any]) -> str:
    return json.dumps(state(), default=default)


def _undisturbed(copy: Callable[[], T]) -> T:
    # Event source mappings run in threads: a queue can change during the copy.
    for _ in range(20):
        with contextlib.suppress(RuntimeError):
            return copy()
    return copy()


def _link_tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target, copy_function=os.link, dirs_exist_ok=True)

"""Reload of plugins: valid edits are deployed, invalid ones are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.deploy import DeployError
from local.reload import Reload, of_plugins
from shared.plugins.manifest import discovery

GOOD = """
id = "acme"
version = "1.0.0"
[[jobs]]
id = "it"
schedule = "@hourly"
describe = "Do it."
handler = "acme:handle"
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / "acme.py").write_text("def handle(context): ...\n")
    path = tmp_path / "plugin.toml"
    path.write_text(GOOD)
    return path


def watched(manifest: Path, deploys: list[str], said: list[str]) -> Reload:
    named = {"KB_PLUGIN_MANIFESTS": str(manifest)}

    def deploy() -> None:
        found = {plugin.id: plugin.manifest.version for plugin in discovery.plugins(named)}
        deploys.append(found["acme"])

    return Reload(deploy, said.append, lambda: [manifest.parent], lambda: discovery.plugins(named))


def test_a_good_edit_is_deployed_once(manifest: Path) -> None:
    deploys: list[str] = []
    reload = watched(manifest, deploys, [])
    assert not reload.poll()
    manifest.write_text(GOOD.replace("1.0.0", "1.1.0"))
    assert reload.poll()
    assert not reload.poll()
    assert deploys == ["1.1.0"]


def test_an_invalid_edit_keeps_the_deployed_version_and_is_reported(manifest: Path) -> None:
    deploys: list[str] = []
    said: list[str] = []
    reload = watched(manifest, deploys, said)
    manifest.write_text(GOOD.replace("@hourly", "@never"))
    assert not reload.poll()
    assert not reload.poll()
    assert deploys == []
    [why] = said
    assert "plugins are not deployed" in why
    assert f"{manifest}:6" in why
    manifest.write_text(GOOD.replace("1.0.0", "1.2.0"))
    assert reload.poll()
    assert deploys == ["1.2.0"]


def test_an_edit_of_code_counts_too_and_a_missing_handler_is_invalid(manifest: Path) -> None:
    said: list[str] = []
    reload = watched(manifest, [], said)
    (manifest.parent / "acme.py").write_text("def other(context): ...\n")
    assert not reload.poll()
    assert "the handler 'handle' is missing" in said[0]


def test_code_beside_the_handler_that_cannot_be_parsed_is_invalid_too(manifest: Path) -> None:
    deploys: list[str] = []
    said: list[str] = []
    reload = watched(manifest, deploys, said)
    beside = manifest.parent / "beside.py"
    beside.write_text("x = 1\ndef helper()\n")
    assert not reload.poll()
    assert deploys == []
    assert said[0].startswith(f"plugins are not deployed: {beside}:2: cannot be parsed")
    beside.write_text("x = 1\n")
    assert reload.poll()


def test_a_failed_deployment_is_reported_and_repeated_at_the_next_edit(manifest: Path) -> None:
    said: list[str] = []

    def deploy() -> None:
        raise DeployError("no room")

    reload = Reload(deploy, said.append, lambda: [manifest.parent], lambda: None)
    manifest.write_text(GOOD + "\n")
    assert not reload.poll()
    assert said[-1] == "plugins are not deployed: no room"


def test_the_folders_of_installed_plugins_are_watched() -> None:
    assert any(folder.name == "kb_labs_plugin_template" for folder in of_plugins())

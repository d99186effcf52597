"""Inputs of the templates, and their reuse."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local import deploy
from local.deploy import LocalDeployment
from local.engine.engine import ROOT


class Counted(LocalDeployment):
    """Writes one template in place of the CDK; `edit` changes a source meanwhile."""

    synthesized = 0
    edit: Any = staticmethod(lambda: None)

    def _synthesize(self) -> None:
        self.synthesized += 1
        self.assembly.mkdir(parents=True)
        (self.assembly / "a.template.json").write_text("{}")
        self.edit()


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy, "ASSEMBLIES", tmp_path / "assemblies")
    (tmp_path / "source").write_text("one")
    monkeypatch.setattr(deploy, "SOURCES", (str(tmp_path / "source"),))


def deployment(tmp_path: Path, name: str, root: Path = ROOT, **settings: str) -> Counted:
    engine: Any = SimpleNamespace(folder=tmp_path / name / "state")
    return Counted(engine, root, settings)


def provide(of: Counted) -> int:
    of._provide_assembly(of._sources())
    assert (of.assembly / "a.template.json").read_text() == "{}"
    return of.synthesized


def test_another_deployment_of_the_same_sources_and_settings_reuses_the_templates(tmp_path: Path) -> None:
    assert provide(deployment(tmp_path, "run", WORD="a")) == 1
    assert provide(deployment(tmp_path, "up", WORD="a")) == 0
    assert provide(deployment(tmp_path, "up", WORD="b")) == 1


def test_an_edited_source_or_a_setting_of_the_environment_makes_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert provide(deployment(tmp_path, "run")) == 1
    (tmp_path / "source").write_text("two")
    assert provide(deployment(tmp_path, "run")) == 1
    monkeypatch.setenv("BASE_URLS", '["https://shop.example"]')
    assert provide(deployment(tmp_path, "run")) == 1
    monkeypatch.setenv("NIGHTSHIFT_LOCAL", str(tmp_path))
    assert provide(deployment(tmp_path, "run")) == 0


def test_templates_of_sources_that_were_edited_meanwhile_are_not_kept(tmp_path: Path) -> None:
    first = deployment(tmp_path, "run")
    first.edit = lambda: (tmp_path / "source").write_text("two")
    assert provide(first) == 1
    (tmp_path / "source").write_text("one")
    assert provide(deployment(tmp_path, "run")) == 1


def test_templates_of_another_app_are_not_kept(tmp_path: Path) -> None:
    for _ in range(2):
        assert provide(deployment(tmp_path, "run", tmp_path)) == 1

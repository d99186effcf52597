"""Manifests are validated without running code, and faults name their line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cli import job_arguments
from shared.job import registry
from shared.job.registry import UnknownJob
from shared.job.schedule import Schedule
from shared.job.validation import DeclarationError
from shared.plugins.manifest import discovery, manifest
from shared.plugins.manifest.permissions import DEFAULT, Limits
from shared.plugins.manifest.toml_lines import nearest, places
from workers import delivery

GOOD = """\
id = "@acme/tool"
version = "1.2.3"

[permissions]
presets = [{ plugin_workspace = "tool" }]

[[jobs]]
id = "sweep"
schedule = "@daily"
describe = "Sweep the floor."
handler = "tool:sweep"
timeout = 1500
tags = ["floor"]

[[jobs]]
id = "mop"
schedule = "0 1 13 * 5"
describe = "Mop it."
handler = "tool:mop"

[jobs.permissions.net]
allowHosts = ["api.example.com"]
"""
CODE = "raise SystemExit('imported')\ndef sweep(context): ...\ndef mop(context): ...\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "tool.py").write_text(CODE)
    file = tmp_path / "plugin.toml"
    file.write_text(GOOD)
    return file


def refusal(path: Path, old: str, new: str) -> str:
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(DeclarationError) as refused:
        manifest.read(path)
    return str(refused.value).replace(str(path), "plugin.toml")


def test_a_manifest_is_read_without_running_the_plugin(path: Path) -> None:
    read = manifest.read(path)
    sweep, mop = read.jobs
    assert (sweep.priority, sweep.retries, sweep.enabled, sweep.tags) == (5, 2, True, ["floor"])
    assert read.permitted(sweep).limits == Limits(1500, 512, 30_000)
    assert read.permitted(mop).net == ("api.example.com",)
    assert read.permitted(sweep).net == ()


def test_a_job_without_a_timeout_has_ten_seconds(path: Path) -> None:
    path.write_text(GOOD.replace('presets = [{ plugin_workspace = "tool" }]', "").replace("timeout = 1500\n", ""))
    assert manifest.read(path).permitted(manifest.read(path).jobs[0]).limits == DEFAULT
    assert DEFAULT.timeout_ms == 10_000


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ('tags = ["floor"]', 'tags = ["floor"]\ncolour = "red"', 14, "jobs[0].colour: is not a field"),
        ("[jobs.permissions.net]", "[jobs.permissions.nets]", 21, "jobs[1].permissions.nets: is not a field"),
        ("@daily", "0 0 30 2 *", 9, "never fires"),
        ("@daily", "0 0 1-5/2 * */2", 9, "starred step"),
        ("@daily", "61 * * * *", 9, "'61' is not between 0 and 59"),
        ("@daily", "@reboot", 9, "has 1 fields"),
        ("@daily", "* * * * * *", 9, "has 6 fields"),
        ('handler = "tool:sweep"\n', "", 7, "jobs[0].handler: is missing"),
        ("tool:sweep", "tool:dust", 11, "the handler 'dust' is missing"),
        ("tool:sweep", "brush:sweep", 11, "module 'brush' is missing"),
        ("tool:sweep", "..tool:sweep", 11, "pattern"),
        ('"sweep"', '"swe ep"', 8, "it is 'swe ep'"),
        ('"sweep"', '"../sweep"', 8, "pattern"),
        ('"sweep"', '"sweep\\u0000"', 8, "pattern"),
        ('"sweep"', '"sweep\\n"', 8, "pattern"),
        ("@acme/tool", "@acme/../tool", 1, "pattern"),
        ("@acme/tool", "acme:tool", 1, "pattern"),
        ('"mop"', '"sweep"', 16, "there are two jobs"),
        ("1.2.3", "latest", 2, "version"),
        ("timeout = 1500", 'timeout = "1500"', 12, "valid integer"),
        ("timeout = 1500", "timeout = 0", 12, "greater than or equal to 1"),
        ("timeout = 1500", "retries = 7", 12, "less than or equal to 6"),
        ('["api.example.com"]', '["*"]', 22, "is not a host"),
        ('["api.example.com"]', '["**"]', 22, "is not a host"),
        ('["api.example.com"]', '["*.com/x"]', 22, "is not a host"),
        ("[jobs.permissions.net]\nallowHosts = [", "[jobs.permissions.fs]\nallow = ['**', ", 22, "whole workspace"),
        ("[jobs.permissions.net]\nallowHosts = [", "[jobs.permissions.fs]\nallow = ['*', ", 22, "whole workspace"),
        ("[jobs.permissions.net]\nallowHosts = [", "[jobs.permissions.fs]\nallow = ['**/*', ", 22, "whole workspace"),
        (
            "[jobs.permissions.net]\nallowHosts = [",
            "[jobs.permissions.fs]\nallow = ['/etc/x', ",
            22,
            "not a valid glob",
        ),
        ("[jobs.permissions.net]\nallowHosts = [", "[jobs.permissions.fs]\nallow = ['../x', ", 22, "not a valid glob"),
        ("[jobs.permissions.net]\nallowHosts = [", "[jobs.permissions.env]\nallow = ['*', ", 22, "not the name"),
        ("[jobs.permissions.net]\nallowHosts = [", "[jobs.permissions.env]\nallow = ['AWS_KEY', ", 22, "platform"),
        (
            "[jobs.permissions.net]\nallowHosts = [",
            "[jobs.permissions.shell]\nallow = ['**', ",
            22,
            "program by its name",
        ),
        ("[jobs.permissions.net]\nallowHosts = [", "[jobs.permissions.shell]\nallow = ['../sh', ", 22, "program"),
        (
            '["api.example.com"]',
            '["api.example.com"]\n[jobs.permissions.shell]\nallow = ["git status"]',
            19,
            "shell-exec",
        ),
        ('["api.example.com"]', '["localhost:65536"]', 22, "a port must be from 1 to 65535"),
        ('["api.example.com"]', '["localhost:0"]', 22, "a port must be from 1 to 65535"),
        (
            "[jobs.permissions.net]\nallowHosts = [",
            "[jobs.permissions.shell]\nallow = ['x ** y', ",
            22,
            "may only be the last one",
        ),
        (
            "[jobs.permissions.net]\nallowHosts = [",
            "[jobs.permissions.shell]\ndeny = ['x ** y', ",
            22,
            "may only be the last one",
        ),
        ("[jobs.permissions.net]\nallowHosts = [", "[jobs.permissions.shell]\ndeny = [' ', ", 22, "must have a word"),
        ('"Sweep the floor."', '"Sweep\\nthe floor."', 10, "pattern"),
        ('"Sweep the floor."', '""', 10, "pattern"),
        ('plugin_workspace = "tool"', 'plugin_workspace = "../x"', 5, "pattern"),
        ('plugin_workspace = "tool"', 'llm_api = ["skynet"]', 5, "skynet"),
        ('plugin_workspace = "tool"', 'vector_db = "pinecone"', 5, "not 'pinecone'"),
        ("[permissions]", "[permissions", 4, "is not TOML"),
        ('version = "1.2.3"', 'version = "1.2.3"\nerrors = "http://evil.example/x"', 3, "errors"),
    ],
)
def test_a_fault_is_refused_with_its_line_and_reason(path: Path, old: str, new: str, line: int, reason: str) -> None:
    said = refusal(path, old, new)
    assert reason in said
    assert said.startswith(f"plugin.toml:{line}:"), said


def test_all_faults_are_reported_at_once(path: Path) -> None:
    said = refusal(path, 'id = "@acme/tool"\nversion = "1.2.3"', 'id = "Acme"\ncolour = 1')
    assert [fault.split(" ")[0] for fault in said.splitlines()] == [
        "plugin.toml:1:",
        "plugin.toml:1:",
        "plugin.toml:2:",
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a = " + b"[" * 20_000, "nested too deeply"),
        (b"#" * 70_000, "larger than 65,536 bytes"),
        (b'a = "\xff"', "is not UTF-8: invalid start byte at byte 5"),
        (b"\n\na", "is not TOML"),
        (b"a." * 30_000 + b"a = 1", "a line has more than 200 dots"),
    ],
    ids=["nesting", "size", "encoding", "syntax", "dots"],
)
def test_a_file_that_is_no_manifest_is_refused_and_has_no_identity(path: Path, content: bytes, reason: str) -> None:
    path.write_bytes(content)
    with pytest.raises(DeclarationError, match=reason):
        manifest.read(path)
    assert discovery.identity(path) == str(path)


def test_a_file_with_thousands_of_faults_names_the_first_ones(path: Path) -> None:
    path.write_text("".join(f"x{number} = 1\n" for number in range(5000)))
    with pytest.raises(DeclarationError) as refused:
        manifest.read(path)
    assert len(str(refused.value).splitlines()) == 20


def test_the_globs_of_one_table_are_limited(path: Path) -> None:
    named = ", ".join(f"'own/{number}'" for number in range(65))
    fault = refusal(path, "[jobs.permissions.net]", f"[jobs.permissions.fs]\nallow = [{named}]\n[jobs.permissions.net]")
    assert "at most 64" in fault


def test_day_of_month_and_day_of_week_become_two_rules(path: Path) -> None:
    _, mop = manifest.read(path).jobs
    assert Schedule(mop.schedule).eventbridge() == ("cron(0 1 13 * ? *)", "cron(0 1 ? * 6 *)")


@pytest.mark.parametrize(
    ("shortcut", "becomes"),
    [
        ("@hourly", "cron(0 * * * ? *)"),
        ("@daily", "cron(0 0 * * ? *)"),
        ("@weekly", "cron(0 0 ? * 1 *)"),
        ("@monthly", "cron(0 0 1 * ? *)"),
        ("@yearly", "cron(0 0 1 1 ? *)"),
    ],
)
def test_a_shortcut_is_translated_exactly(shortcut: str, becomes: str) -> None:
    assert Schedule(shortcut).eventbridge() == (becomes,)


def test_an_inline_value_has_the_line_of_its_table() -> None:
    text = "a = 1\n[x]\nb = { c = [\n  1 ] }\n[[y]]\n[y.z]\n'q r' = 2\n[[y]]\nk.l = 3\n"
    assert nearest(places(text), ("x", "b", "c", 0)) == 3
    assert nearest(places(text), ("y", 0, "z", "q r")) == 7
    assert nearest(places(text), ("y", 1, "k", "l")) == 9
    assert nearest(places(text), ("nowhere",)) == 1


def installed(site: Path, package: str, text: str) -> None:
    """An installed distribution: a package and its entry point."""
    (site / package).mkdir(parents=True)
    (site / package / "__init__.py").write_text(CODE)
    (site / package / "plugin.toml").write_text(text.replace("tool:", f"{package}:"))
    info = site / f"{package}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[nightshift.plugins]\n{package} = {package}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A separate site-packages, in front of all others."""
    found = tmp_path / "site"
    found.mkdir()
    monkeypatch.setattr(sys, "path", [str(found), *[p for p in sys.path if "site-packages" not in p]])
    return found


def test_an_installed_package_is_found_and_not_imported(site: Path) -> None:
    installed(site, "acme_tool", GOOD)
    [plugin] = discovery.plugins({})
    assert (plugin.id, plugin.manifest.version, plugin.root) == ("@acme/tool", "1.2.3", site)
    assert "acme_tool" not in sys.modules


def test_manifests_are_named_by_a_setting(site: Path, path: Path) -> None:
    other = path.parent / "other.toml"
    other.write_text(GOOD.replace("@acme/tool", "other"))
    found = discovery.plugins({"KB_PLUGIN_MANIFESTS": f"{path}, {other}"})
    assert [plugin.id for plugin in found] == ["@acme/tool", "other"]


def test_a_duplicate_is_refused_with_both_paths_and_versions(site: Path, path: Path) -> None:
    installed(site, "acme_tool", GOOD.replace("1.2.3", "1.0.0"))
    with pytest.raises(DeclarationError) as refused:
        discovery.plugins({"KB_PLUGIN_MANIFESTS": str(path)})
    for told in ("@acme/tool", "1.2.3", "1.0.0", str(path), "acme_tool/plugin.toml", "KB_PLUGINS_DISABLED"):
        assert told in str(refused.value)


def test_a_disabled_plugin_is_not_validated(site: Path, path: Path) -> None:
    path.write_text(GOOD.replace("@daily", "@never"))
    named = {"KB_PLUGIN_MANIFESTS": str(path)}
    with pytest.raises(DeclarationError):
        discovery.plugins(named)
    assert discovery.plugins({**named, "KB_PLUGINS_DISABLED": "@acme/tool"}) == []


def test_a_plugin_disabled_in_its_manifest_is_ignored(site: Path, path: Path) -> None:
    path.write_text(GOOD.replace('version = "1.2.3"', 'version = "1.2.3"\nenabled = false'))
    assert discovery.plugins({"KB_PLUGIN_MANIFESTS": str(path)}) == []


def test_a_missing_manifest_is_refused_with_its_path(site: Path) -> None:
    with pytest.raises(DeclarationError, match=r"/no/such\.toml: cannot be read.*KB_PLUGIN_MANIFESTS"):
        discovery.plugins({"KB_PLUGIN_MANIFESTS": "/no/such.toml"})


@pytest.mark.parametrize(
    "broken",
    [
        GOOD.replace("@daily", "@never"),
        "id = ",
        "",
        GOOD.replace("tool:mop", "tool:nowhere"),
        GOOD.replace("[permissions]", "[rights]"),
        f"id = {'1' * 5000}",
        GOOD.replace("tool:mop", "deep:mop"),
    ],
)
def test_a_broken_manifest_hides_no_other_plugin(
    site: Path, path: Path, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bad := path.parent / "broken.toml").write_text(broken)
    (path.parent / "deep.py").write_text(f"def mop(context): ...\nx = a{'.b' * 100_000}\n")
    monkeypatch.setenv("KB_PLUGIN_MANIFESTS", f"{bad}, {path}, /no/such.toml")
    found = discovery.discover()
    assert [plugin.id for plugin in found.plugins] == ["@acme/tool"]
    assert list(found.errors) == [str(bad), "/no/such.toml"]
    everything = registry.discover()
    assert set(everything.broken) == {str(bad), "/no/such.toml"}
    assert {"pricing", "acme-tool-sweep"} <= set(everything.jobs)
    assert registry.find("pricing").name == "pricing"
    assert registry.load("plugins/host:acme-tool-sweep").id == "@acme/tool:sweep"
    with pytest.raises(DeclarationError):
        registry.jobs()


def test_a_broken_entry_point_hides_no_other_plugin(site: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(site, "acme_tool", GOOD)
    (site / "acme_tool" / "plugin.toml").unlink()
    found = discovery.discover({"KB_PLUGIN_MANIFESTS": str(path)})
    assert [plugin.id for plugin in found.plugins] == ["@acme/tool"]
    assert list(found.errors) == ["acme_tool"]


def test_a_job_of_a_plugin_is_found_by_its_id(site: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_PLUGIN_MANIFESTS", str(path))
    delivery.all_jobs.cache_clear()
    for name in ("@acme/tool:sweep", "acme-tool-sweep"):
        assert registry.find(name).name == "acme-tool-sweep"
        assert job_arguments.find_job(name).name == "acme-tool-sweep"
        assert delivery._job(name).name == "acme-tool-sweep"
    delivery.all_jobs.cache_clear()
    for name in ("@acme/tool", "@acme/tool:none", "acme/tool:sweep"):
        with pytest.raises(UnknownJob):
            job_arguments.find_job(name)

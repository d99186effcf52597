"""Permissions decide by globs, hosts, names and words."""

from __future__ import annotations

import pytest

from shared.plugins.denied import EnvDenied, FsDenied, NetDenied, ShellDenied
from shared.plugins.manifest.permissions import Permissions, Quotas, combine, normal
from shared.plugins.manifest.presets import llm_api, plugin_workspace, vector_db


def test_a_deny_overrides_an_allow_in_any_letter_case() -> None:
    granted = plugin_workspace("t")
    assert granted.writes(".kb/t/a/b.txt") == ".kb/t/a/b.txt"
    for path in (".kb/t/a.pem", ".kb/t/A.PEM", ".kb/t/.git/config", ".kb/t/node_modules/x/y", ".kb/t/.env"):
        with pytest.raises(FsDenied, match=r"^FS access denied: .*denied by"):
            granted.reads(path)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "not a path"),
        (None, "not a path"),
        (7, "not a path"),
        ("a/e\u0301", "normal form"),
        ("a/\u212a", "normal form"),
        ("a/\uff0e\uff0e/b", "normal form"),
        ("a/\u2024/b", "normal form"),
        ("a/./b", "leaves the workspace"),
        ("a/.", "leaves the workspace"),
        ("././a", "leaves the workspace"),
        ("a/../b", "leaves the workspace"),
        ("a//b", "leaves the workspace"),
        ("a/", "leaves the workspace"),
        ("a /b", "leaves the workspace"),
        ("a/b ", "leaves the workspace"),
        ("a/\u3000b", "leaves the workspace"),
        ("/a", "not relative"),
        ("~/a", "not relative"),
        ("a\\b", "not relative"),
        ("c:/a", "not relative"),
        ("a/b\x00", "control characters"),
        ("a/\x7f", "control characters"),
        ("a/\ud800", "not text"),
        ("a/" + "b" * 256, "longer than"),
        ("a/" * 512 + "b", "longer than"),
    ],
)
def test_an_ambiguous_path_is_refused(path: object, reason: str) -> None:
    with pytest.raises(FsDenied, match=f"^FS access denied: .*{reason}"):
        normal(path)


@pytest.mark.parametrize("path", ["a/b c", "a/b:c", "a/\u00e9", "a/..b", "a/b..", "a/" + "b" * 255, "\U0001f600"])
def test_a_valid_path_is_unchanged(path: str) -> None:
    assert normal(path) == path
    assert normal(f"./{path}") == path


def test_a_read_only_job_may_not_write() -> None:
    granted = Permissions("read", fs_allow=("a/**",))
    assert granted.reads("a/b") == "a/b"
    with pytest.raises(FsDenied, match="may only be read"):
        granted.writes("a/b")


def test_the_presets_are_those_of_the_catalogue() -> None:
    assert plugin_workspace("x") == Permissions(
        "readWrite",
        (".kb/x", ".kb/x/**", "package.json", "**/package.json"),
        ("**/*.key", "**/*.secret", "**/*.pem", "**/*.env", "**/node_modules/**", "**/.git/**"),
        quotas=Quotas(60_000, 512, 30_000),
    )
    assert llm_api(["openai"]) == Permissions(
        net=("api.openai.com", "localhost"), env=("OPENAI_API_KEY",), quotas=Quotas(120_000, 512, 60_000)
    )
    assert vector_db("qdrant") == Permissions(
        net=("*.qdrant.io", "localhost:6333"), env=("QDRANT_URL", "QDRANT_API_KEY")
    )


def test_combine_unites_permissions_and_later_quotas_win() -> None:
    both = combine(plugin_workspace("x"), llm_api(["openai"]), Permissions(quotas=Quotas(memory_mb=64)))
    assert both.quotas == Quotas(120_000, 64, 60_000)
    assert both.fs_mode == "readWrite"
    assert "api.openai.com" in both.net
    assert combine(both, both) == both


@pytest.mark.parametrize(
    ("host", "port", "allowed"),
    [
        ("x.qdrant.io", 443, True),
        ("a.b.QDRANT.io.", 6333, True),
        ("qdrant.io", 443, False),
        ("evilqdrant.io", 443, False),
        ("x.qdrant.io.evil.example", 443, False),
        ("localhost", 6333, True),
        ("localhost", 80, False),
    ],
)
def test_a_host_is_allowed_by_name_and_port(host: str, port: int, allowed: bool) -> None:
    if allowed:
        vector_db("qdrant").calls(host, port)
    else:
        with pytest.raises(NetDenied, match="Net access denied"):
            vector_db("qdrant").calls(host, port)


def test_a_variable_is_allowed_by_its_whole_name() -> None:
    vector_db("qdrant").named("QDRANT_URL")
    for name in ("QDRANT_URLS", "qdrant_url", "PATH"):
        with pytest.raises(EnvDenied, match="Env access denied"):
            vector_db("qdrant").named(name)


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (("git", "status"), True),
        (("git", "status", "-s"), False),
        (("git", "push"), False),
        (("npm", "run", "build"), True),
        (("npm", "run", "publish"), False),
        (("npm",), False),
        (("/bin/git", "status"), False),
        (("sh", "-c", "git status"), False),
        ((), False),
    ],
)
def test_a_command_is_allowed_word_by_word(words: tuple[str, ...], allowed: bool) -> None:
    granted = Permissions(
        shell_allow=("git status", "npm run **"),
        shell_deny=("npm run publish **", "**"),
        capabilities=frozenset({"shell-exec"}),
    )
    if allowed:
        granted.executes(words)
    else:
        with pytest.raises(ShellDenied, match="Shell access denied"):
            granted.executes(words)
    with pytest.raises(ShellDenied, match="needs the capability shell-exec"):
        Permissions(shell_allow=("git status",)).executes(words)

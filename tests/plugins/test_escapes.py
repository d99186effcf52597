"""The corpus of escape attempts, in a complete sandbox and with parts of it missing."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from shared.plugins.host import sandbox
from shared.plugins.host.broker import PluginBroker
from shared.plugins.host.disk_workspace import DiskWorkspace
from shared.plugins.host.sandbox import Order, RunResult, run
from shared.plugins.manifest.permissions import Limits, Permissions
from tests.conftest import Lines
from tests.plugins import disarming, escapes, kernels, raw
from tests.plugins.attempts import CANARY, ROOT, Outside, bare, control, leaks, module, unproven
from tests.plugins.conftest import CONTEXT

GRANTED = Permissions(
    "readWrite",
    ("own/**", "own"),
    ("**/*.key",),
    net=("allowed.example", "inside.example"),
    shell_allow=("echo **", "cat **"),
    shell_deny=("**",),
    capabilities=frozenset({"shell-exec"}),
)
# Outcomes without a refusal, by a part of the attempt's code, with the reason.
EXPECTED = {
    "gc.get_referents(": "the environment is empty",
    **dict.fromkeys(("own/%2e", "own/..;", "own/...", "own/..\\u", "own/*", "own/?", "own/\\u202e"), "names no file"),
    **dict.fromkeys(("own/..\u2215", "own/..\u2044"), "names no file"),
    "tempfile.": "finds no folder that it may write to",
    "gc.get_objects()": "finds nothing of the host",
    "inspect.stack()": "finds nothing of the host",
    "dict(os.environ)": "the environment is empty",
    "os.environ.copy()": "the environment is empty",
    "posix.environ": "the environment is empty",
    "environ.get('CANARY')": "the environment is empty",
    "'_real'": "the environment is empty",
    "globals__['os'].environ": "the environment is empty",
    "import outside": "a folder that cannot be read contains no module",
    "zipimport": "a file that cannot be read is no archive",
    **dict.fromkeys(("import functions", "import jobs"), "the platform is not on the path"),
    "webbrowser": "finds no browser",
    **dict.fromkeys(("shell.run(['echo', 'x; id'])", "shell.run('echo"), "there is no shell; the words are printed"),
    "shell.run(['cat'": "the command fails, and prints nothing",
    "shell.run('cat <": "the command fails, and prints nothing",
    **dict.fromkeys(
        ("echo\\x00", "http.request('", "host: z", "ask('__init__')"), "the host finds the request invalid"
    ),
    "['echo'] * 10": "the request is too large",
    "for fd in range(": "no descriptor is open but the connection",
}
# Attempts that cannot be tried without restrictions, by a part of the attempt's code, with the reason.
UNCONTROLLED = {
    "context": "the context exists in a plugin only",
    "/dev/": "devices of this machine",
    "canary.example": "would use the network",
    "/proc/1/environ": "depends on the machine",
    "webbrowser": "finds no browser",
    "os.getppid()": "the parent is not the leader of a group",
}


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    monkeypatch.setenv("CANARY", CANARY)
    with ExitStack() as closing:
        yield Outside(tmp_path, closing)


def asked(attempts: Sequence[str], tmp_path: Path, outside: Outside, log: Lines) -> tuple[RunResult, dict[str, Any]]:
    """Run the attempts in a plugin whose workspace contains links of all kinds."""
    files = DiskWorkspace(tmp_path / "workspace")
    for path in ("own/inner.key", "own/deep/er/inner.key", "own/mine"):
        files.write(path, CANARY.encode())
    (files.root / "own" / "link").symlink_to(outside.secret)
    (files.root / "own" / "linked").symlink_to(outside.folder)
    os.link(outside.secret, files.root / "own" / "hard")
    os.mkfifo(files.root / "own" / "pipe")
    (files.root.parent / "secret").write_text(CANARY)
    root = tmp_path / "plugin"
    root.mkdir()
    (root / "link").symlink_to(outside.secret)
    (root / "acme.py").write_text(module(attempts, outside.names, escapes.HEAD), errors="surrogatepass")
    broker = PluginBroker(GRANTED, files, {}, log, lambda: 20.0)
    ended = run(Order("acme:tried", root, Limits(60_000, 512, 60_000), CONTEXT), broker, log, 60)
    assert outside.untouched()
    assert (files.root.parent / "secret").read_text() == CANARY
    return ended, json.loads(files.read("own/outcomes"))


@pytest.fixture(autouse=True)
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """An allowed name that resolves to an internal address."""
    known = {"inside.example": "127.0.0.1", "allowed.example": "10.0.0.1"}
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, **_: [(2, 1, 6, "", (known[host], port))])


def test_the_corpus_is_large_enough() -> None:
    assert len(set(escapes.ALL)) == len(escapes.ALL) > 700
    assert len(set(escapes.KERNEL)) > 350
    assert len(disarming.DISARMING) > 70


def test_no_attempt_gets_through(tmp_path: Path, outside: Outside, log: Lines) -> None:
    ended, got = asked(escapes.HOOKED, tmp_path, outside, log)
    assert ended.missing == ()
    assert leaks(escapes.HOOKED, got) == {}
    assert unproven(escapes.HOOKED, got, EXPECTED) == {}
    assert CANARY not in json.dumps([got, log.lines])


@pytest.mark.parametrize("way", disarming.WAYS)
def test_the_kernel_refuses_what_a_disarmed_hook_does_not(
    tmp_path: Path, outside: Outside, log: Lines, way: Sequence[str]
) -> None:
    armed = "return open(SECRET).read()"
    first, *rest = list(asked((armed, *way), tmp_path, outside, log)[1].values())
    assert first[1] == "FsDenied"
    # Neither StillArmed nor a denial: an error of the kernel, or of the interface that the hook still guards.
    wanted = {"NativeDenied", "PermissionError"} if way is disarming.CALLS else {"PermissionError"}
    assert {got[1] for got in rest} == wanted, dict(zip(way, rest, strict=True))


def test_the_filter_refuses_each_call_by_number(tmp_path: Path, outside: Outside) -> None:
    """The filter's own error number proves that the refusal is not the kernel's."""
    mark = 4000
    head = f"""
sys.path.insert(0, {str(ROOT)!r})
from shared.plugins.child import seccomp
seccomp.errno = type("Marked", (), {{"EPERM": {mark}, "ENOSYS": {mark}}})
sys.path.pop(0)
"""
    attempts = [code for code in raw.ALL if code.startswith("return raw(")]
    _, got = bare(attempts, tmp_path, outside, head=head)
    assert {code: what for code, what in zip(attempts, got.values(), strict=True) if what[-1] != mark} == {}


def test_kernel_restrictions_hold_without_the_audit_hook(tmp_path: Path, outside: Outside) -> None:
    missing, got = bare(escapes.KERNEL, tmp_path, outside)
    assert (missing, leaks(escapes.KERNEL, got)) == ([], {})
    assert outside.untouched()


def test_each_attempt_succeeds_without_any_restriction(tmp_path: Path, outside: Outside) -> None:
    attempts = [code for code in (*escapes.PLAIN, *raw.OBTAINING) if not any(part in code for part in UNCONTROLLED)]
    got = control(attempts, tmp_path, outside)
    obtained = leaks(attempts, got)
    assert {code: what for code, what in zip(attempts, got.values(), strict=True) if code not in obtained} == {}
    # Ended by its alarm: it waited for an answer of the listener that it had reached.
    assert all("TCP" in code for code, what in obtained.items() if what == "'ended with 14'")


def test_without_landlock_only_attempts_on_the_hook_itself_succeed(
    tmp_path: Path, outside: Outside, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "BOOT", kernels.boot(tmp_path, kernels.LANDLOCK))
    attempts = [code for code in escapes.HOOKED if code not in escapes.LOOKS]
    ended, got = asked(attempts, tmp_path, outside, log)
    assert ended.missing == ("landlock: not supported by the kernel",)
    assert log.said("plugin_walls_missing")[0]["missing"] == list(ended.missing)
    assert leaks(attempts, got) == {}
    assert unproven(attempts, got, EXPECTED) == {}


def test_without_landlock_a_disarmed_hook_lets_files_be_read(
    tmp_path: Path, outside: Outside, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each way is proved twice: without the kernel's wall, its access succeeds."""
    monkeypatch.setattr(sandbox, "BOOT", kernels.boot(tmp_path, kernels.LANDLOCK))
    for number, way in enumerate(disarming.WAYS[:-1]):
        (folder := tmp_path / str(number)).mkdir()
        _, got = asked(way, folder, outside, log)
        assert got["0"] == repr(CANARY), way[0]


def test_without_landlock_and_hook_only_reads_of_files_succeed(tmp_path: Path, outside: Outside) -> None:
    missing, got = bare(escapes.KERNEL, tmp_path, outside, kernels.LANDLOCK)
    assert missing == ["landlock: not supported by the kernel"]
    assert outside.untouched()
    reads = leaks(escapes.KERNEL, got)
    assert not set(reads) & {*raw.ALL, *escapes.PROCESSES, *escapes.NETWORK} - {*escapes.READS}


def test_landlock_alone_blocks_files_programs_tcp_and_signals(tmp_path: Path, outside: Outside) -> None:
    assert len(escapes.ALONE) > 60
    missing, got = bare(escapes.ALONE, tmp_path, outside, kernels.SECCOMP)
    assert missing == ["seccomp: Invalid argument"]
    assert leaks(escapes.ALONE, got) == {}
    assert outside.untouched()


def test_the_filter_blocks_what_the_first_landlock_does_not(
    tmp_path: Path, outside: Outside, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "BOOT", kernels.boot(tmp_path, landlock=1))
    ended, got = asked(escapes.HOOKED, tmp_path, outside, log)
    assert ended.missing == ()
    assert leaks(escapes.HOOKED, got) == {}


@pytest.mark.parametrize("lacks", [(kernels.SECCOMP,), (kernels.SECCOMP, kernels.LANDLOCK)])
def test_without_a_filter_only_attempts_on_the_hook_itself_succeed(
    tmp_path: Path, outside: Outside, log: Lines, monkeypatch: pytest.MonkeyPatch, lacks: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sandbox, "BOOT", kernels.boot(tmp_path, *lacks))
    attempts = [code for code in escapes.HOOKED if code not in escapes.LOOKS]
    ended, got = asked(attempts, tmp_path, outside, log)
    assert [why.partition(":")[0] for why in ended.missing] == sorted(lacks)
    assert leaks(attempts, got) == {}

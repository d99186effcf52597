"""The corpus of escape attempts, in a complete sandbox and with parts of it missing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from shared.plugins.host import sandbox
from shared.plugins.host.broker import PluginBroker
from shared.plugins.host.disk_workspace import DiskWorkspace
from shared.plugins.host.sandbox import Order, RunResult, readable, run
from shared.plugins.manifest.permissions import Limits, Permissions
from tests.conftest import Lines
from tests.plugins import escapes, kernels, raw
from tests.plugins.conftest import CONTEXT

CANARY = "canary-4711"
ROOT = Path(__file__).parents[2]
GRANTED = Permissions(
    "readWrite",
    ("own/**", "own"),
    ("**/*.key",),
    net=("allowed.example", "inside.example"),
    shell_allow=("echo **", "cat **"),
    shell_deny=("**",),
    capabilities=frozenset({"shell-exec"}),
)
# Results of attempts that obtained nothing.
NOTHING: tuple[Any, ...] = (None, False, 0, "", [], {})


class Outside:
    """Files, servers and processes outside the sandbox."""

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        self.folder = folder / "outside"
        self.folder.mkdir()
        self.secret = self.folder / "secret"
        self.secret.write_text(CANARY)
        (self.folder / "outside.py").write_text(f"CANARY = {CANARY!r}\n")
        (self.folder / "secret.py").write_text(f"CANARY = {CANARY!r}\n")
        self.before = sorted(self.folder.iterdir())
        self.tcp, self.udp, self.unix = (
            socket.socket(),
            socket.socket(type=socket.SOCK_DGRAM),
            socket.socket(socket.AF_UNIX),
        )
        self.path = f"/tmp/nightshift-{os.getpid()}.sock"
        closing.callback(Path(self.path).unlink, missing_ok=True)
        self.gram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.gram.bind(f"{self.path}.gram")
        self.gram.setblocking(False)
        closing.callback(self.gram.close)
        closing.callback(Path(f"{self.path}.gram").unlink, missing_ok=True)
        for listener, address in ((self.tcp, ("127.0.0.1", 0)), (self.udp, ("127.0.0.1", 0)), (self.unix, self.path)):
            listener.bind(address)
            listener.setblocking(False)
            closing.callback(listener.close)
        self.tcp.listen()
        self.unix.listen()

    @property
    def names(self) -> dict[str, Any]:
        return {
            "SECRET": str(self.secret),
            "OUT": str(self.folder),
            "PID": os.getpid(),
            "TCP": self.tcp.getsockname()[1],
            "UDP": self.udp.getsockname()[1],
            "UNIX": self.path,
            "GRAM": f"{self.path}.gram",
            "ROOT": str(ROOT),
            "SEEN": [],
        }

    def untouched(self) -> bool:
        """Assert that nothing was created, changed, deleted or called."""
        called = ((self.tcp, "accept"), (self.unix, "accept"), (self.udp, "recv"), (self.gram, "recv"))
        for listener, call in called:
            try:
                getattr(listener, call)(*([9] if call == "recv" else []))
            except BlockingIOError:
                continue
            return False
        return self.secret.read_text() == CANARY and sorted(self.folder.iterdir()) == self.before


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    monkeypatch.setenv("CANARY", CANARY)
    with ExitStack() as closing:
        yield Outside(tmp_path, closing)


def module(attempts: Sequence[str], names: dict[str, Any], head: str = "") -> str:
    """Source with a function for each attempt, and `tried(context)` that runs all."""
    source = [head, "import os, sys, time", *(f"{name} = {value!r}" for name, value in names.items())]
    for number, code in enumerate(attempts):
        source.append(f"def attempt_{number}(context):\n    {code}")
    source.append(
        textwrap.dedent(
            f"""
            def tried(context):
                got = {{}}
                for number in range({len(attempts)}):
                    try:
                        got[number] = repr(globals()[f"attempt_{{number}}"](context))[:200]
                    except BaseException as error:
                        got[number] = ["held", type(error).__name__, str(error)[:100]]
                return got
            """
        )
    )
    return "\n".join(source)


def leaks(attempts: Sequence[str], got: dict[str, Any]) -> dict[str, Any]:
    assert len(got) == len(attempts)
    held = {repr(nothing) for nothing in NOTHING}
    return {attempts[int(n)]: what for n, what in got.items() if not isinstance(what, list) and what not in held}


def test_the_corpus_is_large_enough() -> None:
    assert len(set(escapes.ALL)) > 420
    assert len(set(escapes.KERNEL)) > 200


def asked(attempts: Sequence[str], tmp_path: Path, outside: Outside, log: Lines) -> RunResult:
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
    (root / "acme.py").write_text(module(attempts, outside.names, raw.HEAD), errors="surrogatepass")
    broker = PluginBroker(GRANTED, files, {}, log, lambda: 20.0)
    ended = run(Order("acme:tried", root, Limits(60_000, 512, 60_000), CONTEXT), broker, log, 60)
    assert outside.untouched()
    assert (files.root.parent / "secret").read_text() == CANARY
    return ended


@pytest.fixture(autouse=True)
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """An allowed name that resolves to an internal address."""
    known = {"inside.example": "127.0.0.1", "allowed.example": "10.0.0.1"}
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, **_: [(2, 1, 6, "", (known[host], port))])


def test_no_attempt_gets_through(tmp_path: Path, outside: Outside, log: Lines) -> None:
    ended = asked(escapes.ALL, tmp_path, outside, log)
    assert ended.missing == ()
    assert leaks(escapes.ALL, ended.result) == {}
    assert CANARY not in json.dumps([ended.result, log.lines])


def bare(attempts: Sequence[str], tmp_path: Path, outside: Outside, *lacks: str) -> tuple[list[str], Any]:
    """Run the attempts without an audit hook; returns what they obtained and the missing restrictions."""
    root = tmp_path / "plugin"
    root.mkdir()
    head = textwrap.dedent(
        f"""
        sys.path.insert(0, {str(ROOT)!r})
        from shared.plugins.child import boot
        import os, json
        limits = {{"memory_mb": 512, "cpu_ms": 60000}}
        missing = boot.restrict({{"parent": os.getppid(), "readable": {readable(root)!r}, "limits": limits}})
        sys.path.remove({str(ROOT)!r})
        """
    )
    source = module(attempts, outside.names, kernels.front(*lacks) + head + raw.HEAD)
    source += "\nout = json.dumps([missing, tried(None)])\nos.write(1, out.encode())\nos._exit(0)"
    file = root / "bare.py"
    file.write_text(source)
    command = [sys.executable, "-I", "-S", "-B", str(file)]
    done = subprocess.run(command, capture_output=True, env={"HOME": "/"}, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    missing, got = json.loads(done.stdout.splitlines()[-1])
    return missing, leaks(attempts, got)


def test_kernel_restrictions_hold_without_the_audit_hook(tmp_path: Path, outside: Outside) -> None:
    assert bare(escapes.KERNEL, tmp_path, outside) == ([], {})
    assert outside.untouched()


def test_without_landlock_only_attempts_on_the_hook_itself_succeed(
    tmp_path: Path, outside: Outside, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "BOOT", kernels.boot(tmp_path, kernels.LANDLOCK))
    attempts = [code for code in escapes.ALL if code not in (*raw.DISARMING, *escapes.LOOKS)]
    ended = asked(attempts, tmp_path, outside, log)
    assert ended.missing == ("landlock: not supported by the kernel",)
    assert log.said("plugin_walls_missing")[0]["missing"] == list(ended.missing)
    assert leaks(attempts, ended.result) == {}


def test_without_landlock_and_hook_only_reads_of_files_succeed(tmp_path: Path, outside: Outside) -> None:
    missing, got = bare(escapes.KERNEL, tmp_path, outside, kernels.LANDLOCK)
    assert missing == ["landlock: not supported by the kernel"]
    assert outside.untouched()
    assert not set(got) & {*raw.BY_NUMBER, *escapes.PROCESSES, *escapes.NETWORK} - {*escapes.READS}


def test_landlock_alone_blocks_files_programs_tcp_and_signals(tmp_path: Path, outside: Outside) -> None:
    assert len(escapes.ALONE) > 60
    missing, got = bare(escapes.ALONE, tmp_path, outside, kernels.SECCOMP)
    assert missing == ["seccomp: Invalid argument"]
    assert got == {}
    assert outside.untouched()


def test_the_filter_blocks_what_the_first_landlock_does_not(
    tmp_path: Path, outside: Outside, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "BOOT", kernels.boot(tmp_path, landlock=1))
    ended = asked(escapes.ALL, tmp_path, outside, log)
    assert ended.missing == ()
    assert leaks(escapes.ALL, ended.result) == {}


@pytest.mark.parametrize("lacks", [(kernels.SECCOMP,), (kernels.SECCOMP, kernels.LANDLOCK)])
def test_without_a_filter_only_attempts_on_the_hook_itself_succeed(
    tmp_path: Path, outside: Outside, log: Lines, monkeypatch: pytest.MonkeyPatch, lacks: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sandbox, "BOOT", kernels.boot(tmp_path, *lacks))
    attempts = [code for code in escapes.ALL if code not in (*raw.DISARMING, *escapes.LOOKS)]
    ended = asked(attempts, tmp_path, outside, log)
    assert [why.partition(":")[0] for why in ended.missing] == sorted(lacks)
    assert leaks(attempts, ended.result) == {}

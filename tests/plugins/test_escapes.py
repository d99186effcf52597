"""The corpus of escapes, asked of a plugin's process as it runs, and of the kernel's walls alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from shared.plugins.broker import Broker
from shared.plugins.disk import Disk
from shared.plugins.permissions import Limits, Permissions
from shared.plugins.sandbox import Order, readable, run
from tests.conftest import Lines
from tests.plugins import escapes
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
# What is left of an attempt that got nothing.
NOTHING: tuple[Any, ...] = (None, False, 0, "", [], {})


class Outside:
    """What an escape would reach."""

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
        """Nothing made, changed or removed there, and nobody called."""
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


def module(attempts: list[str], names: dict[str, Any], head: str = "") -> str:
    """Source with a function for each attempt, and `tried(context)` that makes them all."""
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


def leaks(attempts: list[str], got: dict[str, Any]) -> dict[str, Any]:
    assert len(got) == len(attempts)
    held = {repr(nothing) for nothing in NOTHING}
    return {attempts[int(n)]: what for n, what in got.items() if not isinstance(what, list) and what not in held}


def test_the_corpus_is_large_enough() -> None:
    assert len(set(escapes.ALL)) >= 250
    assert len(set(escapes.KERNEL)) >= 100


def test_no_attempt_gets_through(tmp_path: Path, outside: Outside, log: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    files = Disk(tmp_path / "workspace")
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
    attempts = list(escapes.ALL)
    (root / "acme.py").write_text(module(attempts, outside.names), errors="surrogatepass")
    # A name that is allowed, and that somebody has led inside.
    known = {"inside.example": "127.0.0.1", "allowed.example": "10.0.0.1"}
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, **_: [(2, 1, 6, "", (known[host], port))])
    broker = Broker(GRANTED, files, {}, log, lambda: 20.0)
    ended = run(Order("acme:tried", root, Limits(60_000, 512, 60_000), CONTEXT), broker, log, 60)
    assert ended.missing == ()
    assert leaks(attempts, ended.result) == {}
    assert outside.untouched()
    assert (files.root.parent / "secret").read_text() == CANARY
    assert CANARY not in json.dumps([ended.result, log.lines])


def test_the_kernels_walls_hold_by_themselves(tmp_path: Path, outside: Outside) -> None:
    attempts = list(escapes.KERNEL)
    root = tmp_path / "plugin"
    root.mkdir()
    head = textwrap.dedent(
        f"""
        import sys
        sys.path.insert(0, {str(ROOT)!r})
        from shared.plugins.child import boot
        import os, json
        limits = {{"memory_mb": 512, "cpu_ms": 60000}}
        assert boot.walls({{"parent": os.getppid(), "readable": {readable(root)!r}, "limits": limits}}) == []
        sys.path.remove({str(ROOT)!r})
        """
    )
    source = module(attempts, outside.names, head)
    source += "\nout = json.dumps(tried(None))\nos.write(1, out.encode())\nos._exit(0)"
    file = root / "bare.py"
    file.write_text(source)
    command = [sys.executable, "-I", "-S", "-B", str(file)]
    done = subprocess.run(command, capture_output=True, env={"HOME": "/"}, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    got = leaks(attempts, json.loads(done.stdout.splitlines()[-1]))
    assert got == {}
    assert outside.untouched()

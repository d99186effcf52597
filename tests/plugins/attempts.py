"""Run escape attempts and judge their outcomes: what each obtained, or which layer refused it and how.

An attempt that ends in an error of its own (a name that does not exist, a module that is missing) has tested nothing.
`unproven` names these.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import botocore

from shared.plugins.host.sandbox import readable
from tests.plugins import escapes, kernels

CANARY = "canary-4711"
ROOT = Path(__file__).parents[2]
# Results of attempts that obtained nothing.
NOTHING: tuple[Any, ...] = (None, False, 0, "", [], {})
DENIALS = ("FsDenied", "NetDenied", "EnvDenied", "ShellDenied", "NativeDenied", "UserDatabaseDenied")
# Errors of the kernel's refusals.
REFUSALS = (*DENIALS, "PermissionError", "ProcessLookupError")
# The files outside, before each attempt of the control.
RESTORE = """
def restore():
    shutil.rmtree({0!r}, ignore_errors=True)
    shutil.copytree({1!r}, {0!r})
"""
Outcomes = Mapping[str, Any]


class Outside:
    """Files, servers and processes outside the sandbox."""

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        self.folder = folder / "outside"
        self.folder.mkdir()
        self.secret = self.folder / "secret"
        self.secret.write_text(CANARY)
        (self.folder / "outside.py").write_text(f"CANARY = {CANARY!r}\n")
        (self.folder / "secret.py").write_text(f"CANARY = {CANARY!r}\n")
        bundle = (Path(botocore.__file__).parent / "cacert.pem").read_text()
        first = bundle.index("-----BEGIN"), bundle.index("-----END")
        (self.folder / "ca.pem").write_text(bundle[first[0] : first[1]] + "-----END CERTIFICATE-----\n")
        with zipfile.ZipFile(self.folder / "outside.zip", "w") as archive:
            archive.writestr("x", CANARY)
        self.before = sorted(self.folder.iterdir())
        self.copy = shutil.copytree(self.folder, folder / "copy")
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
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind(f"\0{self.path}")
        self.abstract.setblocking(False)
        self.abstract.listen()
        closing.callback(self.abstract.close)
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
        called = (
            *((self.tcp, "accept"), (self.unix, "accept"), (self.abstract, "accept")),
            *((self.udp, "recv"), (self.gram, "recv")),
        )
        for listener, call in called:
            try:
                getattr(listener, call)(*([9] if call == "recv" else []))
            except BlockingIOError:
                continue
            return False
        return self.secret.read_text() == CANARY and sorted(self.folder.iterdir()) == self.before


def module(attempts: Sequence[str], names: Mapping[str, Any], head: str = "") -> str:
    """Source with a function for each attempt, and `tried(context)` that runs all."""
    source = [head, "import json, os, sys, time", *(f"{name} = {value!r}" for name, value in names.items())]
    for number, code in enumerate(attempts):
        source.append(f"def attempt_{number}(context):\n    {code}")
    source.append(
        textwrap.dedent(
            f"""
            def outcome(number, context):
                try:
                    return repr(globals()[f"attempt_{{number}}"](context))[:200]
                except BaseException as error:
                    return ["held", type(error).__name__, str(error)[:100], getattr(error, "errno", None)]

            def tried(context):
                # Of JSON's types, with the keys of JSON.
                got = {{str(number): outcome(number, context) for number in range({len(attempts)})}}
                if context:
                    context.fs.write("own/outcomes", json.dumps(got))
                return got if not context else None

            def tried_apart(context):
                got = {{}}
                for number in range({len(attempts)}):
                    restore()
                    read, write = os.pipe()
                    child = os.fork()
                    if not child:
                        me = os.getpid()
                        signal.alarm(2)
                        null = os.open("/dev/null", os.O_RDWR)
                        [os.dup2(null, descriptor) for descriptor in (0, 1, 2)]
                        result = outcome(number, context)
                        if os.getpid() == me:
                            os.write(write, json.dumps(result).encode())
                        os._exit(0)
                    os.close(write)
                    # Not until the end: what the attempt started may keep the pipe open.
                    text = os.read(read, 4096) if select.select([read], [], [], 3)[0] else b""
                    os.close(read)
                    _, status = os.waitpid(child, 0)
                    # A process that was replaced by a program reports nothing.
                    got[number] = json.loads(text) if text else f"'ended with {{status}}'"
                return got
            """
        )
    )
    return "\n".join(source)


def leaks(attempts: Sequence[str], got: Outcomes) -> dict[str, Any]:
    """What attempts obtained."""
    assert len(got) == len(attempts)
    held = {repr(nothing) for nothing in NOTHING}
    return {attempts[int(n)]: what for n, what in got.items() if not isinstance(what, list) and what not in held}


def unproven(attempts: Sequence[str], got: Outcomes, expected: Mapping[str, str]) -> dict[str, Any]:
    """Attempts that no layer refused, although they obtained nothing.

    expected: by a part of the attempt's code, another outcome that is known, with its reason.
    """
    kinds = {attempts[int(n)]: what[1] if isinstance(what, list) else what for n, what in got.items()}
    return {
        code: kind
        for code, kind in kinds.items()
        if kind not in REFUSALS and not any(part in code for part in expected)
    }


def bare(
    attempts: Sequence[str], tmp_path: Path, outside: Outside, *lacks: str, head: str = ""
) -> tuple[list[str], Any]:
    """Run the attempts without an audit hook; returns the missing restrictions and all outcomes."""
    root = tmp_path / "plugin"
    root.mkdir()
    restrict = textwrap.dedent(
        f"""
        sys.path.insert(0, {str(ROOT)!r})
        from shared.plugins.child import boot
        import os, json
        limits = {{"memory_mb": 512, "cpu_ms": 60000}}
        missing = boot.restrict({{"parent": os.getppid(), "readable": {readable(root)!r}, "limits": limits}})
        sys.path.remove({str(ROOT)!r})
        """
    )
    source = module(attempts, outside.names, kernels.front(*lacks) + head + restrict + escapes.HEAD)
    source += "\nout = json.dumps([missing, tried(None)])\nos.write(1, out.encode())\nos._exit(0)"
    missing, got = reported(source, root)
    return missing, got


def control(attempts: Sequence[str], tmp_path: Path, outside: Outside) -> Any:
    """Run each attempt without any restriction, in a process of its own; the host is another process."""
    root = tmp_path / "plugin"
    root.mkdir()
    (root / "link").symlink_to(outside.secret)
    with subprocess.Popen(["/bin/sleep", "300"], env={"CANARY": CANARY}, start_new_session=True) as host:
        head = f"import json, os, select, shutil, signal\n{RESTORE.format(str(outside.folder), str(outside.copy))}"
        source = module(attempts, {**outside.names, "PID": host.pid}, head + escapes.HEAD)
        source += "\nout = json.dumps(tried_apart(None))\nrestore()\nos.write(1, out.encode())\nos._exit(0)"
        try:
            return reported(source, root)
        finally:
            host.send_signal(signal.SIGKILL)


def reported(source: str, root: Path) -> Any:
    """Run the source in a new interpreter; returns the JSON of its last line."""
    file = root / "acme.py"
    file.write_text(source, errors="surrogatepass")
    command = [sys.executable, "-I", "-S", "-B", "-W", "ignore", str(file)]
    environment = {"HOME": "/", "CANARY": CANARY, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout.splitlines()[-1])

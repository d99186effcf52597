"""Attacks of a plugin's process on its host affect at most its own run."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from shared.plugins.host import sandbox, watchdog
from shared.plugins.host.disk_workspace import DiskWorkspace
from shared.plugins.host.sandbox import CpuExceeded, PluginFailed, WallClockExceeded
from shared.plugins.manifest.permissions import Limits, Permissions
from tests.conftest import Lines
from tests.plugins.conftest import AMPLE, CONTEXT, Sandboxed, plugin_threads, shortest_overrun, wait_until

# Code of a plugin can find the connection of its process.
WIRE = (
    "import gc, struct; wire = [w for w in gc.get_objects() if type(w).__name__ == 'Connection'][0]; end = wire.end\n"
)
HEAD = "struct.pack('!II', {0}, {1})"
ASKED = """\
asked = [None, [], 7, {}, {"ask": None}, {"ask": []}, {"ask": "fs"}, {"ask": "__class__"}, {"tell": "what"},
         {"ask": "fs.read", "path": None}, {"ask": "fs.read", "path": ["own/x"]}, {"ask": "fs.read"},
         {"ask": "http", "url": 1}, {"ask": "http", "url": "http://x", "method": "GET", "headers": {"a": 1}},
         {"ask": "shell", "words": "id"}, {"ask": "shell", "words": [["id"]]}, {"ask": "env", "name": {}},
         {"ask": "log", "level": "info"}, {"ask": "log", "level": "info", "message": "x", "fields": 3}]
told = []
for message in asked:
    wire.send(message)
    told.append(wire.receive()[0]["ok"])
return told
"""
COMMANDS = Permissions(shell_allow=("yes **", "seq **"), capabilities=frozenset({"shell-exec"}))


def test_a_second_ready_message_does_not_restart_the_clocks(sandboxed: Sandboxed) -> None:
    with pytest.raises(PluginFailed, match="it reported twice that it is ready"):
        sandboxed(f"{WIRE}while True: wire.send({{'tell': 'ready'}})")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (f"end.sendall({HEAD.format(2**32 - 1, 0)})", "4,294,967,295 and 0 bytes was announced"),
        (f"end.sendall({HEAD.format(0, 2**31)})", "2,147,483,648 bytes was announced"),
        (f"end.sendall({HEAD.format(4, 0)} + b'nope')", "not JSON"),
        (f"end.sendall({HEAD.format(4, 0)} + bytes(range(250, 254)))", "not JSON"),
        (f"end.sendall({HEAD.format(9000, 0)} + b'[' * 9000)", "not JSON"),
        (f"end.sendall({HEAD.format(9000, 0)} + b'1' * 9000)", "not JSON"),
        ("import pickle; end.sendall(struct.pack('!II', 14, 0) + pickle.dumps([]) * 2 + b'    ')", "not JSON"),
        ("end.close(); time.sleep(60)", "without a result"),
        ("end.shutdown(1); time.sleep(60)", "without a result"),
    ],
)
def test_an_invalid_message_ends_only_its_run(sandboxed: Sandboxed, code: str, said: str) -> None:
    # At once: not by its wall clock quota, which has another error.
    with pytest.raises(PluginFailed, match=said):
        sandboxed(WIRE + code)


def test_an_incomplete_message_waits_at_most_for_the_timeout(sandboxed: Sandboxed) -> None:
    with pytest.raises(WallClockExceeded):
        sandboxed(f"{WIRE}end.sendall({HEAD.format(99, 0)}); time.sleep(60)", limits=Limits(300, 64, 9000))


def test_malformed_requests_receive_a_reply(sandboxed: Sandboxed) -> None:
    assert sandboxed(WIRE + ASKED).result == [False] * 18 + [True]


def test_a_flood_of_requests_ends_at_the_timeout(sandboxed: Sandboxed) -> None:
    with pytest.raises((WallClockExceeded, CpuExceeded)):
        sandboxed(f"{WIRE}while True: wire.send({{'ask': 'fs.stat', 'path': 'own'}})", limits=Limits(400, 64, 9000))


def test_an_unread_reply_ends_at_the_timeout(sandboxed: Sandboxed, files: DiskWorkspace) -> None:
    files.write("own/big", b"x" * (4 << 20))
    with pytest.raises(WallClockExceeded):
        sandboxed(
            f"{WIRE}wire.send({{'ask': 'fs.read', 'path': 'own/big'}}); time.sleep(60)", limits=Limits(300, 64, 99)
        )


def test_an_unpaired_surrogate_is_replaced(sandboxed: Sandboxed, log: Lines) -> None:
    assert sandboxed("return {'\\ud800': '\\udfff', 'x': '\U0001f600'}").result == {"?": "?", "x": "\U0001f600"}
    with pytest.raises(PluginFailed) as failed:
        sandboxed("raise ValueError('\\ud800')")
    assert str(failed.value) == "ValueError: ?"


def test_every_log_line_of_a_plugin_is_json(sandboxed: Sandboxed, log: Lines) -> None:
    sandboxed("context.logger.info('\\ud800', a=float('nan'), b=float('-inf'), c=1.5, d=10**999)")
    [line] = log.said("plugin_said")
    fields = {name: line["fields"][name] for name in "abc"}
    assert fields == {"a": "nan", "b": "-inf", "c": 1.5}
    json.loads(json.dumps(line), parse_constant=pytest.fail)


def test_a_list_above_one_mebibyte_is_returned(sandboxed: Sandboxed, files: DiskWorkspace) -> None:
    folder = files.root.joinpath("own", *["x" * 250] * 3)
    folder.mkdir(parents=True)
    for number in range(1200):
        (folder / f"{'x' * 200}{number}").touch()
    assert sandboxed("return len(context.fs.list('own' + ('/' + 'x' * 250) * 3))").result == 1200


def test_the_first_mebibyte_of_endless_output_is_returned(sandboxed: Sandboxed) -> None:
    code = "done = context.shell.run('{}'); return [done.code, len(done.stdout), done.stdout[:4]]"
    assert sandboxed(code.format("seq 1 1000000"), COMMANDS).result == [0, 1 << 20, "1\n2\n"]
    ended, size, _ = sandboxed(code.format("yes é"), COMMANDS, Limits(9000, 256, 9000)).result
    assert ended != 0
    assert size <= 1 << 20


@pytest.fixture
def dripping() -> Iterator[int]:
    """The port of a server that sends a byte at intervals, without end."""
    closing = threading.Event()

    def drip(caller: socket.socket) -> None:
        with caller, suppress(OSError):
            caller.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n")
            while not closing.wait(0.05):
                caller.sendall(b"x")

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        closing.set()
        server.shutdown(socket.SHUT_RDWR)


def test_a_slow_response_does_not_extend_the_run(sandboxed: Sandboxed, dripping: int) -> None:
    code = f"time.sleep(0.2); context.http.get('http://localhost:{dripping}/')"
    granted, limits = Permissions(net=("localhost",)), Limits(500, 64, 9000)
    assert shortest_overrun(lambda: sandboxed(code, granted, limits), 500, 200) <= 200
    wait_until(lambda: not plugin_threads())


def test_a_command_is_killed_with_its_plugin(sandboxed: Sandboxed) -> None:
    granted = Permissions(shell_allow=("sleep *",), capabilities=frozenset({"shell-exec"}))
    with pytest.raises(WallClockExceeded):
        sandboxed("time.sleep(0.9); context.shell.run('sleep 60')", granted, Limits(1000, 64, 9000))
    wait_until(lambda: not plugin_threads())


def test_too_many_response_headers_are_an_error_of_the_request(sandboxed: Sandboxed) -> None:
    def answer() -> None:
        caller, _ = server.accept()
        with caller:
            caller.recv(9999)
            lines = "".join(f"x{number}: {'x' * 60_000}\r\n" for number in range(20))
            caller.sendall(f"HTTP/1.1 200 OK\r\n{lines}content-length: 0\r\n\r\n".encode())

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(PluginFailed, match="is too large"):
            sandboxed(
                f"context.http.get('http://localhost:{server.getsockname()[1]}/')", Permissions(net=("localhost",))
            )


def test_a_plugin_does_not_outlive_its_host(tmp_path: Path) -> None:
    """The kernel kills the plugin, however the host ended."""
    (tmp_path / "acme.py").write_text("import time\ndef handle(context): print('up', flush=True); time.sleep(60)\n")
    script = f"""
        from pathlib import Path
        from shared.observability.log import Log
        from shared.plugins.host import sandbox
        from shared.plugins.host.broker import PluginBroker
        from shared.plugins.host.disk_workspace import DiskWorkspace
        from shared.plugins.manifest.permissions import Limits, Permissions
        start, root = sandbox._start, Path({str(tmp_path)!r})
        def start_and_print(end):
            process = start(end)
            print(process.pid, flush=True)
            return process
        sandbox._start = start_and_print
        log = Log()
        order = sandbox.Order("acme:handle", root, Limits(60_000, 64, 9000), {CONTEXT!r})
        sandbox.run(order, PluginBroker(Permissions(), DiskWorkspace(root / "w"), {{}}, log, lambda: 60.0), log, 60)
        """
    host = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    assert host.stdout is not None
    pid = int(host.stdout.readline())
    assert '"said": "up"' in host.stdout.readline()
    host.kill()
    host.wait()
    host.stdout.close()
    wait_until(lambda: not _alive(pid))


def _alive(pid: int) -> bool:
    """False for a zombie, which has ended but was not waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_without_a_cpu_clock_the_kernel_enforces_the_limit(
    sandboxed: Sandboxed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "_processor", lambda _: 0.0)
    with pytest.raises(CpuExceeded):
        sandboxed("while True: pass", limits=Limits(30_000, 64, 100))


def test_a_plugin_may_open_64_files(sandboxed: Sandboxed) -> None:
    assert sandboxed("return len([open(__file__) for _ in range(50)])").result == 50
    with pytest.raises(PluginFailed, match="Too many open files"):
        sandboxed("return len([open(__file__) for _ in range(70)])")


def test_a_process_that_does_not_start_is_a_failure_and_no_quota(
    sandboxed: Sandboxed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "BOOT_SECONDS", 0.01)
    with pytest.raises(PluginFailed, match="did not start within"):
        sandboxed("return 1")


def test_an_error_of_the_host_is_raised_unchanged(sandboxed: Sandboxed, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("of the host")

    monkeypatch.setattr(sandbox._Conversation, "_handle", broken)
    with pytest.raises(RuntimeError, match="of the host"):
        sandboxed("return 1", limits=AMPLE)

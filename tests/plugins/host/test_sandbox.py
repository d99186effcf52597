"""A handler runs in a sandbox, with its context and within its quotas."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import pytest

from shared.plugins.host import output_pump, plugin_log, sandbox
from shared.plugins.host.disk_workspace import DiskWorkspace
from shared.plugins.host.sandbox import (
    CpuExceeded,
    MemoryExceeded,
    PluginFailed,
    PluginRunError,
    ThreadsExceeded,
    WallClockExceeded,
)
from shared.plugins.manifest.permissions import Limits, Permissions
from tests.conftest import Lines
from tests.plugins.conftest import CONTEXT, GRANTED, PATIENCE, Sandboxed, plugin_threads, shortest_overrun


def test_a_handler_receives_the_complete_context(sandboxed: Sandboxed) -> None:
    ended = sandboxed("return {name: str(value) for name, value in vars(context).items()}")
    assert ended.result.keys() == {*CONTEXT, "fs", "http", "env", "shell", "logger"}
    assert ended.result["jobId"] == "acme:x"
    assert ended.missing == ()


def test_files_are_served_by_the_context(sandboxed: Sandboxed, files: DiskWorkspace) -> None:
    ended = sandboxed(
        """
        context.fs.write("own/a/b.bin", bytes(range(256)))
        context.fs.append("own/log", "one\\n")
        context.fs.append("own/log", "two\\n")
        context.fs.write("own/gone", "1")
        context.fs.delete("own/gone")
        return [
            list(context.fs.read_bytes("own/a/b.bin")) == list(range(256)),
            context.fs.read("own/log"),
            [entry.path for entry in context.fs.walk("own")],
            [entry.kind for entry in context.fs.list("own")],
            context.fs.stat("own/log").size,
            context.fs.exists("own/gone"),
        ]
        """
    )
    assert ended.result == [True, "one\ntwo\n", ["own/a/b.bin", "own/log"], ["folder", "file"], 8, False]
    assert files.read("own/log") == b"one\ntwo\n"


def test_a_list_omits_entries_that_may_not_be_read(sandboxed: Sandboxed, files: DiskWorkspace) -> None:
    for path in ("own/a", "own/b.key"):
        files.write(path, b"1")
    assert sandboxed("return [entry.path for entry in context.fs.list('own')]").result == ["own/a"]


def test_a_large_folder_is_listed_and_deleted_with_few_requests(
    sandboxed: Sandboxed, files: DiskWorkspace, log: Lines
) -> None:
    (files.root / "own" / "cache").mkdir(parents=True)
    for number in range(2500):
        (files.root / "own" / "cache" / f"{number:05}").touch()
    (files.root / "own" / "cache" / "line\nfeed").touch()
    (files.root / "own" / "cache" / "x.key").touch()
    ended = sandboxed(
        """
        found = [entry.path for entry in context.fs.walk("own/cache")]
        context.fs.delete_many(found)
        try:
            context.fs._service.ask("fs.delete_many", paths=["own/x"] * 1001)
        except ValueError:
            pass
        try:
            context.fs.delete_many(["own/x", "own/x.key"])
        except PermissionError:
            return [len(found), found == sorted(found)]
        """
    )
    assert ended.result == [2500, True]
    assert sorted(path.name for path in (files.root / "own" / "cache").iterdir()) == ["line\nfeed", "x.key"]
    assert [line["said"] for line in log.said("plugin_said")] == [
        "own/cache: 1 entries are left out, whose names are no valid paths"
    ]


def test_a_denial_is_raised_with_its_type(sandboxed: Sandboxed) -> None:
    ended = sandboxed(
        """
        def kind(ask):
            try:
                ask()
            except Exception as error:
                return [type(error).__mro__[1].__name__, str(error).split(":")[0]]
        fs = context.fs
        return [
            kind(lambda: fs.read("own/none")),
            kind(lambda: fs.read("own/b.key")),
            kind(lambda: fs.read("../x")),
            kind(lambda: context.http.get("http://example.com/")),
            kind(lambda: context.env["PATH"]),
            kind(lambda: context.shell.run("id")),
            kind(lambda: fs.read(7)),
        ]
        """
    )
    assert ended.result == [
        ["OSError", "own/none"],
        ["Denied", "FS access denied"],
        ["Denied", "FS access denied"],
        ["Denied", "Net access denied"],
        ["Denied", "Env access denied"],
        ["Denied", "Shell access denied"],
        ["Exception", "path must be text"],
    ]


def test_named_variables_are_in_the_context_and_in_environ(sandboxed: Sandboxed) -> None:
    granted = Permissions(env=("QDRANT_URL", "QDRANT_API_KEY"))
    ended = sandboxed(
        """
        return [context.env["QDRANT_URL"], os.environ["QDRANT_URL"], os.getenv("QDRANT_URL"),
                context.env.get("QDRANT_API_KEY"), dict(os.environ)]
        """,
        granted,
        environment={"QDRANT_URL": "http://q", "OTHER": "secret"},
    )
    assert ended.result == ["http://q", "http://q", "http://q", None, {"QDRANT_URL": "http://q"}]


def test_a_library_that_reads_its_settings_finds_none(sandboxed: Sandboxed) -> None:
    """zoneinfo, uuid and pydantic read variables at import."""
    ended = sandboxed(
        """
        import datetime, pydantic, uuid, zoneinfo, ssl, asyncio
        library = "import os; os.environ['ITS'] = 'own'; got = os.getenv('ITS'), os.getenv('CANARY')"
        exec(compile(library, "lib", "exec"), names := {})
        asyncio.run(asyncio.sleep(0))
        for deed in (lambda: os.getenv("CANARY"), lambda: os.environ.__setitem__("A", "B"), lambda: os.environ["X"]):
            try:
                deed()
                return "got it"
            except PermissionError:
                continue
        return [str(zoneinfo.ZoneInfo("Europe/Berlin")), names["got"]]
        """,
        environment={"CANARY": "secret"},
    )
    assert ended.result == ["Europe/Berlin", ["own", None]]


def test_a_command_runs_without_shell_environment_or_files_of_the_host(sandboxed: Sandboxed) -> None:
    granted = Permissions(shell_allow=("echo **", "cat **", "env", "sleep *"), capabilities=frozenset({"shell-exec"}))
    ended = sandboxed(
        """
        run = context.shell.run
        return [run(["echo", "$HOME; id"]).stdout, run("cat", "given").stdout, run("env").stdout,
                run(["cat", "/etc/passwd"]).code, run(["cat", "/proc/1/environ"]).code]
        """,
        granted,
    )
    echoed, given, environment, passwd, proc = ended.result
    assert (echoed, given) == ("$HOME; id\n", "given")
    assert {line.partition("=")[0] for line in environment.split()} == {"PATH", "HOME", "TMPDIR", "LANG"}
    assert passwd != 0
    assert proc != 0


def test_prints_and_log_calls_become_log_lines(sandboxed: Sandboxed, log: Lines) -> None:
    sandboxed(
        """
        print("printed")
        print("complained", file=sys.stderr)
        context.logger.warning("careful", count=3, what=object)
        """
    )
    said = {line["said"]: line for line in log.said("plugin_said")}
    assert said.keys() == {"printed", "complained", "careful"}
    assert said["careful"]["fields"]["count"] == 3


LOG = "for n in range({}): context.fs._service.ask('log', level='info', message={}, fields={})"


@pytest.mark.parametrize(
    "code",
    [
        LOG.format(20, "'x'", "{'a': 'y' * 1000000}"),
        LOG.format(300, "'x'", "{f'f{i}': 'y' * 512 for i in range(100)}"),
        LOG.format(20, "'x' * 1000000", "{}"),
        "for n in range(400): context.logger.info('x', **{f'f{i}': 'y' * 5000 for i in range(100)})",
        "for n in range(2000): context.logger.info('x' * 10000)",
        "for n in range(2000): context.logger.info('\\u2028' * 10000, **{'k' * 900: 1})",
        "context.logger.info('x', n=int('9' * 4000))",
        "print('\\n' * 130000)",
        "print('x\\n' * 130000)",
        "print('y' * 10**6)",
        "for n in range(2000): print('z' * 600, file=sys.stderr, flush=True)",
        "for n in range(2000):\n    try: context.fs.list('own/x\\0')\n    except Exception: pass",
    ],
)
def test_the_log_of_a_run_is_bounded_by_lines_and_bytes(sandboxed: Sandboxed, log: Lines, code: str) -> None:
    sandboxed(code)
    assert len(log.lines) <= plugin_log.MAX_LINES
    # Each line has the fields of the run besides.
    assert len(json.dumps(log.lines)) < plugin_log.MAX_BYTES + plugin_log.MAX_LINES * 300


def test_no_line_is_logged_after_the_run(log: Lines) -> None:
    read, write = os.pipe()
    output = plugin_log.PluginLog(log)
    before = plugin_threads()
    pump = output_pump.OutputPump(os.fdopen(read, "rb"), output, "stdout")
    assert len(plugin_threads() - before) == 1
    os.write(write, b"in time\nrest")
    # The other end stays open, as that of a process that has escaped.
    pump.end()
    output.close()
    os.write(write, b"late\n") if _is_open(read) else None
    output.said("info", "late")
    assert [line["said"] for line in log.said("plugin_said")] == ["in time", "rest"]
    assert plugin_threads() <= before
    os.close(write)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_threads_are_limited_by_the_replaced_function(sandboxed: Sandboxed) -> None:
    code = """
        import threading
        threading.stack_size(32768)
        started = 0
        try:
            while True:
                threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
                started += 1
        except PermissionError as error:
            return [started, str(error)]
        """
    assert sandboxed(code).result == [64, "Native access denied: thread exceeds 64 threads"]


def test_threads_beyond_the_replaced_function_end_the_run(sandboxed: Sandboxed) -> None:
    code = """
        import _thread
        start, = [c.cell_contents for c in _thread.start_new_thread.__closure__ if callable(c.cell_contents)]
        _thread.stack_size(32768)
        for _ in range(200):
            start(time.sleep, (60,))
        time.sleep(60)
        """
    with pytest.raises(ThreadsExceeded, match="more than 128 threads"):
        sandboxed(code)


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([{"tell": "done", "result": 1}], "before it was ready"),
        ([{"tell": "failed", "kind": "X"}], "before it was ready"),
        ([{"ask": "env", "name": "X"}], "before it was ready"),
        ([["ready"]], "before it was ready"),
        ([{"tell": "ready"}], "missing restrictions"),
        ([{"tell": "ready", "missing": "none"}], "missing restrictions"),
        ([{"tell": "ready", "missing": [1]}], "missing restrictions"),
        ([{"tell": "ready", "missing": []}, {"tell": "ready", "missing": []}], "twice"),
    ],
)
def test_messages_out_of_order_end_the_process(
    sandboxed: Sandboxed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messages: list[Any], said: str
) -> None:
    boot = tmp_path / "boot.py"
    boot.write_text(
        f"""
import json, socket, struct, sys, time
end = socket.socket(fileno=int(sys.argv[1]))
for message in {messages!r}:
    header = json.dumps(message).encode()
    end.sendall(struct.pack("!II", len(header), 0) + header)
time.sleep(60)
"""
    )
    monkeypatch.setattr(sandbox, "BOOT", boot)
    with pytest.raises(PluginFailed, match=said):
        sandboxed("return 1")


def test_no_file_of_a_plugin_takes_the_place_of_a_standard_module(sandboxed: Sandboxed, tmp_path: Path) -> None:
    """Each would report its import, and is what an import finds where the plugin comes first."""
    root = tmp_path / "plugin"
    root.mkdir()
    names = sorted({*sys.stdlib_module_names, "sitecustomize", "usercustomize", "shared"} - {"__main__", "antigravity"})
    for name in names:
        (root / f"{name}.py").write_text("import sys\nsys.shadows = [*getattr(sys, 'shadows', ()), __name__]\n")
    code = """
        import importlib
        before = getattr(sys, "shadows", [])
        for name in NAMES:
            try:
                importlib.import_module(name)
            except Exception:
                continue
        return [before, sys.path[-1], [name for name in getattr(sys, "shadows", []) if name in FOUND]]
        """
    found = [name for name in names if PathFinder.find_spec(name) or name in sys.builtin_module_names]
    asked = [name for name in found if name not in ("idlelib", "this", "lib2to3", "turtledemo")]
    ended = sandboxed(code.replace("NAMES", repr(asked)).replace("FOUND", repr(found)))
    assert ended.result == [[], str(root), []]
    first = f"import sys; sys.path.insert(0, {str(root)!r}); sys.modules.pop('signal', None); import signal; "
    shown = subprocess.run(
        [sys.executable, "-I", "-S", "-c", first + "print(sys.shadows)"], capture_output=True, check=True
    )
    assert shown.stdout.strip() == b"['signal']"


@pytest.mark.parametrize("name", ["json", "signal", "calendar", "shared"])
def test_a_handler_whose_module_has_the_name_of_another_is_refused(sandboxed: Sandboxed, name: str) -> None:
    with pytest.raises(PluginFailed, match="has the name of a module of Python or the platform"):
        sandboxed("return 1", name=name)


def test_a_handler_is_loaded_from_the_plugin_where_a_package_has_its_name(sandboxed: Sandboxed) -> None:
    assert sandboxed("return __file__", name="pydantic").result.endswith("plugin/pydantic.py")


def test_a_plugin_loads_no_extension_of_its_own(sandboxed: Sandboxed, tmp_path: Path) -> None:
    spec = PathFinder.find_spec("_queue")
    assert spec is not None
    (tmp_path / "plugin").mkdir()
    shutil.copy(str(spec.origin), tmp_path / "plugin")
    code = "import importlib.util as u\nu.module_from_spec(u.spec_from_file_location('_queue', FILE))"
    file = str(tmp_path / "plugin" / Path(str(spec.origin)).name)
    with pytest.raises(PluginFailed, match="NativeDenied: Native access denied: import _queue"):
        sandboxed(code.replace("FILE", repr(file)))
    assert sandboxed(code.replace("FILE", repr(spec.origin))).result is None


def test_a_flood_of_log_lines_is_truncated(sandboxed: Sandboxed, log: Lines) -> None:
    sandboxed("for n in range(3000): context.logger.info('x')\nprint('y' * 10**6)")
    assert len(log.lines) < 1100


def test_an_error_has_the_traceback_of_the_plugin(sandboxed: Sandboxed) -> None:
    with pytest.raises(PluginFailed, match=r"^ZeroDivisionError: division by zero$") as failed:
        sandboxed("return 1 / 0")
    assert "in handle" in failed.value.stack


SEND = "context.fs._service._wire.send({})\ntime.sleep(60)"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("os._exit(7)", "exit code 7"),
        ("os.abort()", "killed by SIGABRT"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("return {1, 2}", "not JSON"),
        ("return 'x' * 70000", "65,536"),
        ("import faulthandler; faulthandler._sigsegv()", "killed by SIGSEGV"),
        (
            "import gc; [w for w in gc.get_objects() if type(w).__name__ == 'Connection'][0].end.sendall(b'x' * 99)",
            "violation of the protocol",
        ),
        (SEND.format('{"tell": "ready", "missing": []}'), "twice"),
        (SEND.format('{"tell": "done", "result": "x" * 65_600}'), "65,602 characters; the limit is 65,536"),
        (SEND.format('{"tell": "done", "result": float("nan")}'), "violation of the protocol"),
        (SEND.format('{"tell": "done", "result": ["x" * 1000] * 100}'), "the limit is 65,536"),
        ("return float('inf')", "not JSON"),
    ],
)
def test_every_abnormal_end_is_a_failure_of_the_plugin(sandboxed: Sandboxed, code: str, said: str) -> None:
    with pytest.raises(PluginFailed, match=said):
        sandboxed(code)


@pytest.mark.parametrize(
    ("code", "limits", "outcome"),
    [
        ("time.sleep(60)", Limits(300, 64, 9000), WallClockExceeded),
        ("while True: pass", Limits(9000, 64, 200), CpuExceeded),
        ("hash(tuple(range(10**6)))\nbytearray(65 << 20)", Limits(9000, 64, 9000), MemoryExceeded),
        ("kept = []\nwhile True: kept.append(' ' * 10**6)", Limits(9000, 64, 9000), MemoryExceeded),
        ("import mmap; mmap.mmap(-1, 65 << 20)", Limits(9000, 64, 9000), (MemoryExceeded, PluginFailed)),
    ],
)
def test_each_quota_has_its_own_error(
    sandboxed: Sandboxed, code: str, limits: Limits, outcome: type[Exception]
) -> None:
    with pytest.raises(outcome):
        sandboxed(code, limits=limits)


def test_the_wall_clock_quota_is_enforced_within_200_ms(sandboxed: Sandboxed) -> None:
    code = """
        import signal
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        while True:
            try:
                time.sleep(60)
            except BaseException:
                pass
        """
    assert shortest_overrun(lambda: sandboxed(code, limits=Limits(400, 64, 9000)), 400, 200) <= 200


def test_twenty_concurrent_runs_do_not_affect_each_other(sandboxed: Sandboxed, files: DiskWorkspace) -> None:
    """All twenty have started before three are killed; the others continue after that."""
    ends = {7: "while True: pass", 8: "' ' * 10**9", 9: "os._exit(1)"}
    outcomes: dict[int, Any] = {}
    meet = """
        context.fs.write("own/at/{0}", "x")
        while len(context.fs.list("own/at")) < 20:
            time.sleep(0.05)
        """
    rest = """
        while not context.fs.exists("own/ended"):
            time.sleep(0.05)
        return {0} * context.fs.read("own/at/{0}")
        """

    def one(number: int) -> None:
        code = textwrap.dedent(meet).format(number) + ends.get(number, textwrap.dedent(rest).format(number))
        try:
            limits = Limits(60_000, 64, 700 if number == 7 else 9000)
            outcomes[number] = sandboxed(code, GRANTED, limits, name=f"acme_{number}").result
        except PluginRunError as error:
            outcomes[number] = type(error).__name__

    threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for number in ends:
        threads[number].join()
    assert outcomes == {7: "CpuExceeded", 8: "MemoryExceeded", 9: "PluginFailed"}
    files.write("own/ended", b"")
    for thread in threads:
        thread.join()
    assert outcomes == {number: "x" * number for number in range(20)} | {
        7: "CpuExceeded",
        8: "MemoryExceeded",
        9: "PluginFailed",
    }


def test_a_process_leaves_nothing_behind(sandboxed: Sandboxed) -> None:
    before = plugin_threads()
    began = time.monotonic()
    sandboxed("import threading\nthreading.Thread(target=time.sleep, args=(60,)).start()\nreturn 1")
    assert time.monotonic() - began < PATIENCE
    assert plugin_threads() <= before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's")
def test_processes_of_the_same_user_cannot_read_the_host(sandboxed: Sandboxed) -> None:
    sandboxed("return 1")
    get_dumpable = 3
    assert ctypes.CDLL(None).prctl(get_dumpable, 0, 0, 0, 0) == 0


def test_the_process_contains_no_modules_of_the_platform(sandboxed: Sandboxed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-4711")
    seen = sandboxed(
        """
        ours = sorted(name for name in sys.modules if name.startswith(("shared", "functions")))
        return [repr(dict(os.environ)), ours,
                sys.argv, sorted(sys.path)]
        """
    ).result
    assert "canary-4711" not in json.dumps(seen)
    assert all(name == "shared" or name.startswith("shared.plugins") for name in seen[1])
    assert str(Path(__file__).parents[3]) not in seen[3]

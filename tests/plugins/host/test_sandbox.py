"""A handler runs in a sandbox, with its context and within its quotas."""

from __future__ import annotations

import ctypes
import json
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from shared.plugins.host.disk_workspace import DiskWorkspace
from shared.plugins.host.sandbox import CpuExceeded, MemoryExceeded, PluginFailed, PluginRunError, WallClockExceeded
from shared.plugins.manifest.permissions import Limits, Permissions
from tests.conftest import Lines
from tests.plugins.conftest import CONTEXT, GRANTED, Sandboxed


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


def test_a_flood_of_log_lines_is_truncated(sandboxed: Sandboxed, log: Lines) -> None:
    sandboxed("for n in range(3000): context.logger.info('x')\nprint('y' * 10**6)")
    assert len(log.lines) < 1100


def test_an_error_has_the_traceback_of_the_plugin(sandboxed: Sandboxed) -> None:
    with pytest.raises(PluginFailed, match=r"^ZeroDivisionError: division by zero$") as failed:
        sandboxed("return 1 / 0")
    assert "in handle" in failed.value.stack


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
    with pytest.raises(WallClockExceeded) as ended:
        sandboxed(code, limits=Limits(400, 64, 9000))
    took = int(str(ended.value).rpartition(" and ")[2].removesuffix(" ms"))
    assert 400 <= took <= 600


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
    before = threading.active_count()
    began = time.monotonic()
    sandboxed("import threading\nthreading.Thread(target=time.sleep, args=(60,)).start()\nreturn 1")
    assert time.monotonic() - began < 10
    assert threading.active_count() == before


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

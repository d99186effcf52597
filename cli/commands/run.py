"""Show one run: its attempts, dead letter, uncertain effects, log and artifact."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cli import declared_jobs, options, output, recorded_run
from cli.exit_codes import CommandError, Exit
from cli.recorded_run import RunInProgress
from shared import redaction
from shared.admin.run_chain import RunChain
from shared.aws.cloud import Cloud
from shared.aws.names import NO_TARGET
from shared.run.history import started_by

if TYPE_CHECKING:
    from cli.shapes.jobs import AdvisedCommand
    from cli.shapes.runs import RecordedRun

EXAMPLES = (
    "run 20261121T220500.123Z-9f2c61aa",
    "run 20261121T220500.123Z-9f2c61aa --lines 100 --json --aws --stage prod",
)
LINES = 20
ID_LENGTH = 8


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="id of the run, as `runs`, `status` and alerts show it")
    parser.add_argument(
        "--lines", type=int, metavar="N", default=LINES, help="how many lines of its log (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    if args.lines < 0:
        raise CommandError(Exit.WRONG_USE, f"--lines {args.lines} is negative; 0 shows none")
    with options.open_cloud(args, reading=True) as cloud:
        found = recorded_run.find(cloud, args.id, args)
        shown = _in_progress(found, args) if isinstance(found, RunInProgress) else _ended(cloud, found, args)
    if args.json:
        output.document(shown)
    else:
        _print(shown)
    return Exit.DONE


def _ended(cloud: Cloud, chain: RunChain, args: argparse.Namespace) -> RecordedRun:
    key, letter = chain.row.get("artifact"), chain.dead_letter
    return {
        "run": chain.run,
        "job": chain.job,
        "outcome": chain.row["outcome"],
        "ok": chain.row.get("ok", True),
        "trigger": chain.trigger,
        "row": chain.row,  # type: ignore[typeddict-item]
        "attempts": chain.attempts,  # type: ignore[typeddict-item]
        "dead_letter": {"id": letter["id"], "state": letter.get("state", "dead"), "reason": letter.get("reason", "")}
        if letter
        else None,
        "effects": [
            {"key": each["key"], "begun": each["begun"], "error": each.get("error", "")} for each in chain.uncertain
        ],
        "artifact": recorded_run.artifact(cloud, key) if key else None,  # type: ignore[typeddict-item]
        "log": recorded_run.log(cloud, chain, args.lines) if args.lines else [],
        "dollars": _dollars(chain),
        "commands": list(_commands(chain, args)),
    }


def _in_progress(run: RunInProgress, args: argparse.Namespace) -> RecordedRun:
    step = f"{run.item.get('step', 'started')}, {run.item.get('progress', 0)} %"
    why = options.advised(args, "why", run.job)
    return {
        "run": str(run.item["holder"]),
        "job": run.job,
        "outcome": "running",
        "ok": True,
        "trigger": step,
        "row": None,
        "attempts": [],
        "dead_letter": None,
        "effects": [],
        "artifact": None,
        "log": [],
        "dollars": None,
        "commands": [{"command": why, "for": "show its lease"}],
    }


def _commands(chain: RunChain, args: argparse.Namespace) -> Iterator[AdvisedCommand]:
    letter, job = chain.dead_letter, chain.job
    if letter:
        yield {"command": options.advised(args, "dead", "show", letter["id"]), "for": "show its dead letter"}
        if letter.get("state") != "resolved":
            yield {"command": options.advised(args, "dead", "retry", letter["id"]), "for": "send it again"}
    elif chain.row["outcome"] == "done" and not chain.row.get("ok", True):
        yield {"command": options.advised(args, "replay", chain.run, "--manual"), "for": "run the job again, by hand"}
    elif not chain.row.get("ok", True) and not chain.entry["queue"]:
        yield {"command": options.advised(args, "replay", chain.run), "for": "run its tick again"}
    if chain.uncertain:
        yield {"command": options.advised(args, "effects", job), "for": "resolve its uncertain effects"}
    at = f"{started_by(chain.run):%Y-%m-%dT%H:%MZ}"
    if not chain.entry["queue"]:
        yield {"command": options.advised(args, "why", job, "--at", at), "for": "explain its tick"}
    yield {"command": options.advised(args, "logs", job, "--run", chain.run, "--since", "90d"), "for": "print its log"}


def _dollars(chain: RunChain) -> float | None:
    """The price of the run by its duration, None without one."""
    listed = declared_jobs.read().listed.get(chain.job)
    if listed is None or chain.entry["queue"] or "ms" not in chain.row:
        return None
    # Imported lazily: most runs are looked up for another reason than their price.
    from infra import run_cost

    return round(run_cost.of_run(listed["memory_mb"], int(chain.row["ms"])), 9)


def _print(shown: RecordedRun) -> None:
    row: dict[str, Any] = dict(shown["row"] or {})
    target = row.get("target", NO_TARGET)
    of = "" if target == NO_TARGET else f" of {target}"
    print(f"{shown['job']}{of}: {output.verdict(shown['outcome'], shown['ok'])[0]}, started by {shown['trigger']}")
    for name in ("started", "ms", "tick", "attempt", "tenant", "entityId", "counts", "note"):
        if name in row:
            print(f"  {name}: {recorded_run.line(row[name])}")
    if shown["dollars"] is not None:
        print(f"  cost: {shown['dollars']:.9f} dollars, without the calls of its own code")
    if len(shown["attempts"]) > 1:
        print("\nattempts")
        output.table(["run", "started (UTC)", "try", "outcome", "ms", "what"], map(_attempt_row, shown["attempts"]))
    if letter := shown["dead_letter"]:
        print(f"\ndead letter {letter['id'][:ID_LENGTH]}, {letter['state']}: {redaction.text(letter['reason'])}")
    if shown["effects"]:
        print("\neffects with an unknown outcome")
        output.table(["key", "begun (UTC)", "error"], ([e["key"], e["begun"], e["error"]] for e in shown["effects"]))
    if made := shown["artifact"]:
        print(f"\nartifact {made['url']}")
        for name, value in (made["record"] or {"record": "expired"}).items():
            print(f"  {name}: {recorded_run.line(value)}")
    if shown["log"]:
        print("\nlog")
        print("\n".join(f"  {text}" for text in filter(None, map(recorded_run.log_text, shown["log"]))))
    print()
    output.table(["to act", ""], ([each["command"], each["for"]] for each in shown["commands"]))


def _attempt_row(row: Any) -> list[Any]:
    return [
        row["run"],
        output.to_second(row.get("started") or ""),
        row.get("attempt"),
        output.verdict(row["outcome"], row.get("ok", True)),
        row.get("ms"),
        row.get("note"),
    ]

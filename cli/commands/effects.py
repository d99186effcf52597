"""Effects that nobody knows the end of: `effects JOB`, `effects JOB done KEY`, `effects JOB redo KEY`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from cli import options, output
from cli.commands.run import found
from cli.exit_codes import Exit, Stop
from shared.admin import audit, effects
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.effect import Confirmed, NotDone
from shared.run.effects import token

# Characters of an id that are shown, and that are enough.
SHORT = 8


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job")
    parser.add_argument("verdict", nargs="?", choices=("done", "redo"), help="it was done; or it was not: do it again")
    parser.add_argument("key", nargs="?", help="which effect: its key, or how its id begins")
    parser.add_argument("--result", metavar="JSON", help="with done: what its call returned, null where it isn't said")
    parser.add_argument(
        "--all", action="store_true", help="also what was begun and never met again; reads every effect"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options.answering(parser)
    options.arguments(parser)


def call(args: argparse.Namespace) -> int:
    job = found(args.job)
    if job.effects is None:
        raise Stop(Exit.WRONG_USE, f"{job.name} has no effects on the world outside")
    if args.verdict and not args.key:
        raise Stop(Exit.WRONG_USE, f"which effect? `{options.advised(args, 'effects', job.name)}` shows the keys")
    if args.result is not None and args.verdict != "done":
        raise Stop(Exit.WRONG_USE, "--result says what was returned by what is `done`")
    result = _json(args.result)
    with options.opened(args) as cloud:
        if not args.verdict:
            return _list(job, cloud, args)
        return _settle(job, cloud, args, Confirmed(result) if args.verdict == "done" else NotDone())


def _json(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except ValueError as error:
        raise Stop(Exit.WRONG_USE, f"--result is no JSON: {error}") from None


def _list(job: Job, cloud: Cloud, args: argparse.Namespace) -> int:
    listed = (effects.unconfirmed_effects if args.all else effects.uncertain_effects)(cloud, job.name)
    shown = [{"id": token(cloud.names, job.name, effect["key"]), **effect} for effect in listed]
    if args.json:
        output.document(shown)
    elif shown:
        output.table(["id", "key", "begun (UTC)", "run", "uncertain since", "what"], map(_row, shown), spare=["run"])
        done = options.advised(args, "effects", job.name, "done", "ID", "--reason", "WHY")
        output.say(f"settle each: {done}; `redo` in place of `done` where it was not")
    else:
        output.say(f"{job.name} has no effect that nobody knows of")
    return Exit.DONE


def _row(effect: dict[str, Any]) -> list[Any]:
    what = "; ".join(filter(None, (effect.get("error"), effect.get("note"))))
    return [
        effect["id"][:SHORT],
        effect["key"],
        _short(effect["begun"]),
        effect["run"],
        _short(effect.get("since") or ""),
        "is being done" if effect.get("busy") else what or "its run died",
    ]


def _settle(job: Job, cloud: Cloud, args: argparse.Namespace, said: Confirmed | NotDone) -> int:
    key = _meant(job, cloud, args.key)
    try:
        effects.resolve_manually(cloud, job, key, said, options.who(args, cloud), args.reason or "")
    except effects.NothingToResolve as error:
        raise Stop(Exit.REFUSED, f"{error}; nothing was done") from None
    except audit.ReasonMissing as error:
        raise Stop(Exit.WRONG_USE, str(error)) from None
    if args.json:
        output.document({"job": job.name, "key": key, "verdict": args.verdict})
    else:
        then = "is taken for done" if args.verdict == "done" else "will be done by the next run that needs it"
        print(f"{key} of {job.name} {then}")
    return Exit.DONE


def _meant(job: Job, cloud: Cloud, given: str) -> str:
    """A key may be masked where it is shown, since it says too much; then its id does."""
    ids = {
        token(cloud.names, job.name, effect["key"]): effect["key"]
        for effect in effects.uncertain_effects(cloud, job.name)
    }
    meant = [key for name, key in ids.items() if name.startswith(given)]
    if given not in ids.values() and len(meant) > 1:
        raise Stop(Exit.WRONG_USE, f"{len(meant)} effects have ids that begin with {given!r}; say more of it")
    return meant[0] if meant and given not in ids.values() else given


def _short(instant: str) -> str:
    return instant[:19].replace("T", " ")

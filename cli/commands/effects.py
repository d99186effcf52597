"""Effects whose outcome is unknown.

`effects JOB`, `effects JOB done KEY`, `effects JOB redo KEY`.
"""

from __future__ import annotations

import argparse
from typing import Any

from cli import operator_identity, options, output
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_job
from shared.admin import audit, effects
from shared.aws.cloud import Cloud
from shared.job.definition import Job
from shared.job.effect import Confirmed, NotDone
from shared.run.effect_results import token
from shared.text.untrusted_json import InvalidJson, parse_json

EXAMPLES = (
    "effects notification-delivery",
    "effects notification-delivery done 5f1c9a22 --reason 'found in the sent mail'",
)
ID_LENGTH = 8


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", help="name of the job")
    parser.add_argument(
        "verdict",
        nargs="?",
        choices=("done", "redo"),
        help="resolve an effect: it was performed, or perform it again (default: list)",
    )
    parser.add_argument(
        "key", nargs="?", help="the effect to resolve: its key, its id or a unique prefix of the id (default: list)"
    )
    parser.add_argument(
        "--result", metavar="JSON", help="with `done`: the return value of the call that was performed (default: null)"
    )
    parser.add_argument(
        "--all", action="store_true", help="include effects that were started and never retried; reads every effect"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    operator_identity.add_arguments(parser)
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    job = find_job(args.job)
    if job.effects is None:
        raise CommandError(Exit.WRONG_USE, f"{job.name} declares no effects")
    if args.verdict and not args.key:
        listing = options.advised(args, "effects", job.name)
        raise CommandError(Exit.WRONG_USE, f"name the effect by its key or id; `{listing}` shows them")
    if args.result is not None and args.verdict != "done":
        raise CommandError(Exit.WRONG_USE, "--result is the return value of an effect that is resolved as `done`")
    result = _parse_result(args.result)
    with options.open_cloud(args, reading=not args.verdict) as cloud:
        if not args.verdict:
            return _list(job, cloud, args)
        return _resolve(job, cloud, args, Confirmed(result) if args.verdict == "done" else NotDone())


def _parse_result(text: str | None) -> Any:
    try:
        return parse_json(text or "null")
    except InvalidJson as error:
        raise CommandError(Exit.WRONG_USE, f"--result {error}") from None


def _list(job: Job, cloud: Cloud, args: argparse.Namespace) -> int:
    listed = (effects.unconfirmed_effects if args.all else effects.uncertain_effects)(cloud, job.name)
    shown = [{"id": token(cloud.names, job.name, effect["key"]), **effect} for effect in listed]
    if args.json:
        output.document(shown)
    elif shown:
        columns = ["id", "key", "tenant", "begun (UTC)", "run", "uncertain since", "what"]
        output.table(columns, map(_row, shown), spare=["run"], optional=["tenant"])
        done = options.advised(args, "effects", job.name, "done", "ID", "--reason", "WHY")
        output.notice(f"resolve each: {done}, or `redo` for one that was not performed")
    else:
        output.notice(f"{job.name} has no effect with an unknown outcome")
    return Exit.DONE


def _row(effect: dict[str, Any]) -> list[Any]:
    what = "; ".join(filter(None, (effect.get("error"), effect.get("note"))))
    return [
        effect["id"][:ID_LENGTH],
        effect["key"],
        effect.get("tenant"),
        output.to_second(effect["begun"]),
        effect["run"],
        output.to_second(effect.get("since") or ""),
        "in progress" if effect.get("busy") else what or "its run was lost",
    ]


def _resolve(job: Job, cloud: Cloud, args: argparse.Namespace, outcome: Confirmed | NotDone) -> int:
    key = _find_key(job, cloud, args.key)
    try:
        effects.resolve_manually(cloud, job, key, outcome, operator_identity.operator(args, cloud), args.reason or "")
    except effects.NothingToResolve as error:
        raise CommandError(Exit.REFUSED, f"{error}; nothing was done") from None
    except audit.ReasonMissing as error:
        raise CommandError(Exit.WRONG_USE, str(error)) from None
    if args.json:
        output.document({"job": job.name, "key": key, "verdict": args.verdict})
    else:
        then = "counts as performed" if args.verdict == "done" else "will be performed by the next run that needs it"
        print(f"{key} of {job.name} {then}")
    return Exit.DONE


def _find_key(job: Job, cloud: Cloud, key_or_id: str) -> str:
    """The key of an effect.

    Keys may be redacted in output, so an effect is also found by its id.
    """
    ids = {
        token(cloud.names, job.name, effect["key"]): effect["key"]
        for effect in effects.uncertain_effects(cloud, job.name)
    }
    if key_or_id in ids.values():
        return key_or_id
    matches = [key for effect_id, key in ids.items() if effect_id.startswith(key_or_id)]
    if len(matches) > 1:
        raise CommandError(
            Exit.WRONG_USE, f"{len(matches)} effects have ids that begin with {key_or_id!r}; give more characters"
        )
    return matches[0] if matches else key_or_id

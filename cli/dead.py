"""Dead letters: `dead list [job]`, `dead show ID`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from typing import Any

from cli import account, output
from cli.ending import Exit, Stop
from cli.run import found
from shared import registry, rows
from shared.cloud import Cloud
from shared.job import NO_TARGET, STATE
from shared.tables import TTL

# Where letters are filed whose job nobody knows.
UNKNOWN = "unknown"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("list", "show"))
    parser.add_argument("which", nargs="?", help="list: a job; show: a letter's id, or how it begins")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    account.arguments(parser)


def call(args: argparse.Namespace) -> int:
    if args.what == "show" and not args.which:
        raise Stop(Exit.WRONG_USE, "which one? `python jobs.py dead list` shows the ids")
    jobs = [found(args.which).name] if args.what == "list" and args.which else [*registry.jobs(), UNKNOWN]
    with account.opened(args) as cloud:
        letters = sorted(stored(cloud, jobs), key=lambda letter: str(letter["at"]), reverse=True)
        if args.what == "show":
            _show(one(letters, args.which), cloud, args.json)
        elif args.json:
            output.document(letters)
        else:
            _list(letters)
    return Exit.DONE


def stored(cloud: Cloud, jobs: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The stored letters of these jobs, a query each; `at` is when the job gave up."""
    now = cloud.clock.now().timestamp()
    for job in jobs:
        pages = cloud.dynamodb.get_paginator("query").paginate(
            TableName=cloud.names.table(STATE),
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=rows.row({":pk": f"dead#{job}"}),
        )
        for page in pages:
            for item in map(rows.plain, page["Items"]):
                if item.get(TTL, 0) > now:
                    kept = {name: value for name, value in item.items() if name not in ("pk", "sk", TTL)}
                    yield {**kept, "at": item["sk"].partition("#")[0]}


def one(letters: list[dict[str, Any]], start: str) -> dict[str, Any]:
    """The letter whose id begins so. Raises Stop where none or several do."""
    meant = [letter for letter in letters if letter["id"].startswith(start)]
    if len(meant) != 1:
        many = f"{len(meant)} dead letters have ids that begin with" if meant else "there is no dead letter"
        raise Stop(Exit.WRONG_USE, f"{many} {start!r}; `python jobs.py dead list` shows the ids")
    return meant[0]


def _list(letters: list[dict[str, Any]]) -> None:
    if not letters:
        output.say("no dead letters")
        return
    columns = ["id", "gave up (UTC)", "job", "target", "tries", "reason", "error"]
    output.table(columns, [_row(letter) for letter in letters])


def _row(letter: dict[str, Any]) -> list[Any]:
    target = letter.get("entityId", NO_TARGET)
    return [
        letter["id"][:8],
        letter["at"][:19].replace("T", " "),
        letter["job"],
        "" if target == NO_TARGET else target,
        letter.get("attempts"),
        letter.get("reason"),
        letter.get("error"),
    ]


def _show(letter: dict[str, Any], cloud: Cloud, as_json: bool) -> None:
    body = cloud.s3.get_object(Bucket=cloud.names.bucket, Key=letter["payload"])["Body"].read()
    content = json.loads(body)
    if as_json:
        output.document({**letter, "content": content})
        return
    for name, value in letter.items():
        print(f"{name + ':':<15}{value}")
    print("content:")
    print(json.dumps(content, indent=2))

"""`dead show`: one dead letter with its payload, redacted."""

from __future__ import annotations

import argparse
import json
from typing import Any

from cli import output
from cli.exit_codes import Exit
from shared import redaction
from shared.aws.cloud import Cloud
from shared.dead_letters import store
from shared.dead_letters.letter import DeadLetterRefused
from shared.text.untrusted_json import InvalidJson, parse_json

SUMMARY = "show one dead letter with its payload, redacted"
EXAMPLES = ("dead show 3f2a91c4", "dead show 3f2a91c4 --json --aws --stage prod")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "id", nargs="?", help="id of the dead letter, or a unique prefix of it (default: none, one is required)"
    )


def call(args: argparse.Namespace, cloud: Cloud) -> int:
    letter = store.find(cloud, args.id)
    shown = redaction.data(letter.as_dict()) | {"payload": store.payload_url(cloud, letter)}
    missing = ""
    try:
        content: Any = _redacted(store.read_payload(cloud, letter))
    except DeadLetterRefused as error:
        content, missing = None, str(error)
    if args.json:
        output.document({**shown, "content": content} | ({"error": missing} if missing else {}))
    else:
        for name, value in shown.items():
            print(f"{name + ':':<15}{value}")
        if not missing:
            print("content, redacted (the original is at `payload`):")
            print(content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False))
    if missing:
        output.notice(missing)
    return Exit.REFUSED if missing else Exit.DONE


def _redacted(content: str) -> Any:
    try:
        return redaction.data(parse_json(content, max_bytes=store.MAX_PAYLOAD))
    except InvalidJson:
        return redaction.text(content)

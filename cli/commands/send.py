"""Send a message to the queue of a consumer.

The file has the payload as JSON. An invalid payload is refused, and nothing is sent.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cli import options, output
from cli.exit_codes import CommandError, Exit
from cli.job_arguments import find_job
from shared.aws.names import DEAD, FIRINGS
from shared.job.outcome import Rejected
from shared.text.regular_file import read_regular
from shared.text.untrusted_json import InvalidJson, parse_json

if TYPE_CHECKING:
    from cli.shapes.messages import SentMessage
    from shared.aws.cloud import Cloud
    from shared.messages.payload import Payload

EXAMPLES = ("send usage usage.json", "send usage usage.json --aws --stage prod")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", help="name of the consumer")
    parser.add_argument("file", type=Path, help="JSON: the payload, or its envelope with type and payload")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    job = find_job(args.job)
    if job.queue in (FIRINGS, DEAD):
        raise CommandError(
            Exit.WRONG_USE, f"{job.queue} is a queue of the platform; its messages are sent by runs only"
        )
    if not job.queue:
        raise CommandError(Exit.WRONG_USE, f"{job.name} consumes no queue; start it: {options.advised(args, job.name)}")
    text = _read(args.file)
    payload = _payload(getattr(job, "payload", None), args.file, text)
    with options.open_cloud(args) as cloud:
        sent = _send(cloud, job.queue, payload, text)
    if args.json:
        document: SentMessage = {"job": job.name, "queue": job.queue, "messageId": sent}
        output.document(document)
    else:
        print(sent)
    return Exit.DONE


def _read(file: Path) -> str:
    from shared.messages import claim_check

    try:
        return read_regular(file, claim_check.MAX_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8"
        raise CommandError(Exit.WRONG_USE, f"{file} cannot be read: {reason}") from None


def _payload(kind: type[Payload] | None, file: Path, text: str) -> Payload | None:
    """Return the validated payload; None for a consumer that declares none."""
    from shared.messages import claim_check

    try:
        data = parse_json(text, max_bytes=claim_check.MAX_BYTES)
    except InvalidJson as error:
        raise CommandError(Exit.WRONG_USE, f"{file}: {error}") from None
    if kind is None:
        return None
    if isinstance(data, dict) and data.keys() == {"type", "payload"}:
        if data["type"] != kind.wire.type:
            raise CommandError(Exit.WRONG_USE, f"{file}: the type is {data['type']!r:.60}, not {kind.wire.type!r}")
        data = data["payload"]
    try:
        return kind.from_wire(data)
    except Rejected as error:
        raise CommandError(Exit.WRONG_USE, f"{file}: {error}") from None


def _send(cloud: Cloud, queue: str, payload: Payload | None, text: str) -> str:
    """Send the message and return its id."""
    from shared.messages import claim_check, envelope

    if payload is None:
        answer = cloud.sqs.send_message(QueueUrl=cloud.names.queue_url(queue), MessageBody=text)
        return answer["MessageId"]
    try:
        return envelope.send(cloud, queue, payload)
    except claim_check.PayloadTooLarge as error:
        raise CommandError(Exit.WRONG_USE, str(error)) from None

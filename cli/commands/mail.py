"""The mails that jobs have sent locally, where nothing leaves this machine."""

from __future__ import annotations

import argparse
import json
from itertools import islice
from typing import Any

from cli import output
from cli.exit_codes import Exit, Stop
from cli.up import local_session
from local.services import smtp_server
from local.services.smtp_server import Kept
from shared import clock
from shared.advised_commands import without_stage

MOST = 50


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("word", nargs="?", choices=["show"], help="show one of them; without it, a list")
    parser.add_argument("id", nargs="?", metavar="ID", help="of the mail to show, or how it begins")
    parser.add_argument("--to", metavar="ADDRESS", help="only what this address was sent")
    parser.add_argument("--last", type=int, default=MOST, metavar="N", help=f"at most so many, {MOST} if not said")
    parser.add_argument("--json", action="store_true", help="one JSON document")


def call(args: argparse.Namespace) -> int:
    if (args.word is None) != (args.id is None):
        show, listing = without_stage("mail", "show", "ID"), without_stage("mail")
        raise Stop(Exit.WRONG_USE, f"say `{show}`; `{listing}` lists the ids")
    if args.id is not None:
        return _show(args.id, args.json)
    found = (each for each in smtp_server.kept(_folder()) if not args.to or args.to.lower() in map(str.lower, each.to))
    mails = list(islice(found, args.last))
    if args.json:
        _document([_facts(each) for each in mails])
    elif mails:
        for each in mails:
            print(_line(each))
    else:
        output.say("no mail has been sent here" + (f" to {args.to}" if args.to else ""))
    return Exit.DONE


def _folder() -> Any:
    return local_session.folder() / "mail"


def _show(name: str, as_json: bool) -> int:
    found = smtp_server.one(_folder(), name) or next(
        (each for each in smtp_server.kept(_folder()) if each.id.startswith(name)), None
    )
    if found is None:
        raise Stop(Exit.WRONG_USE, f"there is no mail {name!r}; `{without_stage('mail')}` lists them")
    if as_json:
        _document({**_facts(found), "text": found.text, "html": found.html})
        return Exit.DONE
    for header in ("From", "To", "Reply-To", "Subject", "Date", "Message-ID"):
        if found.message[header]:
            print(f"{header}: {_seen(str(found.message[header]))}")
    print("\n" + "\n".join(map(_seen, found.text.rstrip().splitlines())))
    return Exit.DONE


def _document(data: Any) -> None:
    # As it is, and not as logs may have it: whoever asks here is to read what users are sent.
    print(json.dumps(data, indent=1))


def _line(mail: Kept) -> str:
    return f"{mail.id}  {mail.at:%Y-%m-%d %H:%M:%S}  {', '.join(mail.to)}  {_seen(str(mail.message['Subject'] or ''))}"


def _seen(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _facts(mail: Kept) -> dict[str, Any]:
    return {
        "id": mail.id,
        "at": clock.iso(mail.at),
        "from": mail.sender,
        "to": list(mail.to),
        "subject": str(mail.message["Subject"] or ""),
    }

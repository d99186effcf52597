"""List and show the mails that jobs have sent locally.

None of them leaves this machine.
"""

from __future__ import annotations

import argparse
import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from cli import output
from cli.exit_codes import CommandError, Exit
from cli.paths import local_folder
from local.services import smtp_server
from local.services.smtp_server import StoredMail
from shared import clock
from shared.advised_commands import without_stage

if TYPE_CHECKING:
    from cli.shapes.messages import ListedMail

EXAMPLES = ("mail --to ada@example.org", "mail show 20261121T")
LIMIT = 50


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("word", nargs="?", choices=["show"], help="show one mail (default: list them)")
    parser.add_argument(
        "id", nargs="?", metavar="ID", help="id of the mail to show, or a prefix of it (default: list them)"
    )
    parser.add_argument("--to", metavar="ADDRESS", help="only mails to this address (default: all)")
    parser.add_argument(
        "--last", type=int, default=LIMIT, metavar="N", help="how many, newest first (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def call(args: argparse.Namespace) -> int:
    if (args.word is None) != (args.id is None):
        show, listing = without_stage("mail", "show", "ID"), without_stage("mail")
        raise CommandError(Exit.WRONG_USE, f"use `{show}`; `{listing}` lists the ids")
    if args.id is not None:
        return _show(args.id, args.json)
    stored = smtp_server.stored_mails(_folder())
    matching = (each for each in stored if not args.to or args.to.lower() in map(str.lower, each.to))
    mails = list(islice(matching, args.last))
    if args.json:
        _document([_facts(each) for each in mails])
    elif mails:
        for each in mails:
            print(_line(each))
    else:
        output.notice("no mail has been sent locally" + (f" to {args.to}" if args.to else ""))
    return Exit.DONE


def _folder() -> Any:
    return local_folder() / "mail"


def _show(name: str, as_json: bool) -> int:
    found = smtp_server.stored_mail(_folder(), name) or next(
        (each for each in smtp_server.stored_mails(_folder()) if each.id.startswith(name)), None
    )
    if found is None:
        raise CommandError(Exit.WRONG_USE, f"there is no mail {name!r}; `{without_stage('mail')}` lists them")
    if as_json:
        _document({**_facts(found), "text": found.text, "html": found.html})
        return Exit.DONE
    for header in ("From", "To", "Reply-To", "Subject", "Date", "Message-ID"):
        if found.message[header]:
            print(f"{header}: {_printable(str(found.message[header]))}")
    print("\n" + "\n".join(map(_printable, found.text.rstrip().splitlines())))
    return Exit.DONE


def _document(data: Any) -> None:
    # Not redacted: the command exists to read what users receive.
    print(json.dumps(data, indent=1))


def _line(mail: StoredMail) -> str:
    subject = _printable(str(mail.message["Subject"] or ""))
    return f"{mail.id}  {mail.at:%Y-%m-%d %H:%M:%S}  {', '.join(mail.to)}  {subject}"


def _printable(text: str) -> str:
    """The text without control characters, which a terminal would execute."""
    return "".join(character if character.isprintable() else " " for character in text)


def _facts(mail: StoredMail) -> ListedMail:
    return {
        "id": mail.id,
        "at": clock.iso(mail.at),
        "from": mail.sender,
        "to": list(mail.to),
        "subject": str(mail.message["Subject"] or ""),
    }

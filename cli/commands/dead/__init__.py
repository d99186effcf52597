"""Dead letters: list them by failure, show, retry and purge them.

Show the operators' audit log.
"""

from __future__ import annotations

import argparse

from cli import options
from cli.commands.dead import audit, purge, retry, show
from cli.commands.dead import list as listing
from cli.exit_codes import CommandError, Exit
from cli.parser import sentence
from shared.admin.audit import ReasonMissing
from shared.dead_letters import store
from shared.dead_letters.letter import DeadLetterRefused, UnknownDeadLetter

EXAMPLES = (
    "dead list pricing",
    "dead show 3f2a91c4",
    "dead retry --group 5d41402abc4b --reason 'the host is back'",
    "dead purge pricing --older-than 7d --reason outdated",
)
# Each is a module with SUMMARY, EXAMPLES, `arguments(parser)` and `call(args, cloud)`.
VERBS = {"list": listing, "show": show, "retry": retry, "purge": purge, "audit": audit}

# Verbs that change nothing.
READING = ("list", "show", "audit")


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="|".join(VERBS), required=True)
    for name, module in VERBS.items():
        summary, examples = module.SUMMARY, module.EXAMPLES
        verb = verbs.add_parser(name, help=summary, description=sentence(summary), examples=examples)
        module.arguments(verb)
        verb.add_argument("--json", action="store_true", help="print one JSON document")
        options.add_arguments(verb)


def call(args: argparse.Namespace) -> int:
    if args.verb == "show" and not args.id:
        raise CommandError(Exit.WRONG_USE, f"name a dead letter by its id; {store.list_hint(options.stage(args))}")
    with options.open_cloud(args, reading=args.verb in READING) as cloud:
        try:
            code: int = VERBS[args.verb].call(args, cloud)
        except (UnknownDeadLetter, ReasonMissing) as error:
            raise CommandError(Exit.WRONG_USE, error.args[0]) from None
        except DeadLetterRefused as error:
            raise CommandError(Exit.REFUSED, error.args[0]) from None
    return code

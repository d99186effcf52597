"""The operator of a command, and the reason.

Options of commands whose actions are recorded.
"""

from __future__ import annotations

import argparse
import getpass
import socket
from typing import Any

from shared.aws.cloud import Cloud


def add_arguments(parser: argparse.ArgumentParser, required: str = "(default: none, a change requires one)") -> None:
    """Add the options.

    required: the default of the reason, and when one is required.
    """
    parser.add_argument("--reason", metavar="WHY", help=f"why, for the audit log {required}")
    add_name(parser)


def add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--who",
        metavar="NAME",
        help="operator for the audit log (default: with --aws your ARN, else login@host)",
    )


def operator(args: argparse.Namespace, cloud: Cloud) -> str:
    """The operator to record.

    `--who`, or the identity of the AWS credentials, or the login on this machine.
    """
    if args.who or not args.aws:
        return args.who or local_login()
    return caller_arn(cloud)


def caller_arn(cloud: Cloud) -> str:
    sts: Any = cloud.session.client("sts", region_name=cloud.names.region)
    return str(sts.get_caller_identity()["Arn"])


def local_login() -> str:
    """`ada@laptop`. Without the domain.

    With it, redaction would mask the name as an e-mail address.
    """
    return f"{login()}@{socket.gethostname().partition('.')[0]}"


def login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # The user of a container need not have a name.
        return "unknown"

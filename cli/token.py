"""The token of the break-glass URL, for `curl -H "X-Internal-Health: $(python jobs.py token)"`."""

from __future__ import annotations

import argparse

from cli import account
from cli.ending import Exit
from shared.guard import SECRET


def arguments(parser: argparse.ArgumentParser) -> None:
    account.arguments(parser)


def call(args: argparse.Namespace) -> int:
    with account.opened(args) as cloud:
        print(cloud.secrets.get_secret_value(SecretId=cloud.names.secret(SECRET))["SecretString"])
    return Exit.DONE

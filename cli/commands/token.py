"""Print the token of the break-glass URL, the value of its header."""

from __future__ import annotations

import argparse

from cli import options
from cli.exit_codes import Exit
from shared.http.internal_token import SECRET

EXAMPLES = ("token", "token --aws --stage prod")


def arguments(parser: argparse.ArgumentParser) -> None:
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    with options.open_cloud(args) as cloud:
        print(cloud.secrets.get_secret_value(SecretId=cloud.names.secret(SECRET))["SecretString"])
    return Exit.DONE

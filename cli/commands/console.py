"""Open the console in a browser, by a link that works once."""

from __future__ import annotations

import argparse
import webbrowser

from cli import operator_identity, options, output
from cli.exit_codes import CommandError, Exit
from cli.paths import local_folder
from shared.admin import console_link
from shared.advised_commands import without_stage
from shared.aws.cloud import Cloud
from shared.aws.names import FRONT_STACK
from shared.http import internal_token

EXAMPLES = ("console", "console --viewer --print", "console --aws --stage prod")
ENDPOINT = "console"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--viewer", action="store_true", help="sign in to read only (default: as operator)")
    parser.add_argument("--print", action="store_true", help="print the link instead of opening a browser")
    parser.add_argument("--to", metavar="PATH", default="", help="page to open, such as /ui/dead (default: /ui/now)")
    operator_identity.add_name(parser)
    options.add_arguments(parser)


def call(args: argparse.Namespace) -> int:
    with options.open_cloud(args) as cloud:
        url = _url(cloud, args)
        link = mint(cloud, url, operator_identity.operator(args, cloud), viewer=args.viewer, to=args.to)
    # A browser that does not open leaves the person with the link.
    if args.print or not webbrowser.open(link):
        print(link)
        output.notice("the link works once, within two minutes")
    else:
        output.notice(f"opened {url}/ui/now")
    return Exit.DONE


def mint(cloud: Cloud, url: str, who: str, *, viewer: bool = False, to: str = "") -> str:
    """A sign-in link, made with the token of the role. Raises CommandError."""
    role, name = ("viewer", internal_token.VIEWER_SECRET) if viewer else ("operator", internal_token.SECRET)
    secrets = cloud.secrets
    try:
        token = secrets.get_secret_value(SecretId=cloud.names.secret(name))["SecretString"]
    except secrets.exceptions.ResourceNotFoundException:
        raise CommandError(
            Exit.REFUSED, f"the secret {cloud.names.secret(name)} has no value; deploy the state stack again"
        ) from None
    return console_link.mint(url, token, role, who, cloud.clock.now(), to)


def _url(cloud: Cloud, args: argparse.Namespace) -> str:
    """The address of the console. Raises CommandError."""
    if not args.aws:
        from local.running import running

        local = running(local_folder())
        if local is None or ENDPOINT not in local.function_urls:
            raise CommandError(
                Exit.NO_CLOUD, f"the console is served while `{without_stage('up')}` runs; start it first"
            )
        return local.function_urls[ENDPOINT]
    functions = cloud.functions
    try:
        found = functions.get_function_url_config(FunctionName=cloud.names.function(ENDPOINT))
    except functions.exceptions.ResourceNotFoundException:
        stack = cloud.names.stack(FRONT_STACK)
        raise CommandError(Exit.NO_CLOUD, f"the console is not deployed; deploy the stack {stack}") from None
    return str(found["FunctionUrl"]).rstrip("/")

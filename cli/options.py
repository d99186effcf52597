"""The cloud that a command works on: the local one, or with --aws an account."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from cli import output
from cli.environment import STAGE, replaced, said
from cli.exit_codes import Exit, Stop
from shared import advised_commands
from shared.aws.cloud import Cloud
from shared.aws.names import LOCAL, PRODUCTION, Names

ROOT = Path(__file__).resolve().parent.parent
# Of the partitions whose queues' URLs end differently.
SUFFIXES = {"aws-cn": "amazonaws.com.cn"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--aws", action="store_true", help="work on the AWS account that your credentials are for")
    parser.add_argument(
        "--stage", help=f"with --aws: which deployment, as in --stage {PRODUCTION} (default: {STAGE}; one is required)"
    )


def decide(args: argparse.Namespace) -> None:
    """Put the stage to work on into `args.stage`, for every command that takes --aws.

    Raises Stop where --aws comes without a stage, or --stage without --aws: no deployment is the default.
    """
    if not hasattr(args, "aws"):
        return
    if not args.aws:
        if args.stage is not None:
            raise Stop(Exit.WRONG_USE, "--stage names a deployment in an account: say --aws with it")
        return
    # An empty --stage is a variable that was not set, not a request for the default.
    args.stage = (os.environ.get(STAGE, "") if args.stage is None else args.stage).strip()
    if not args.stage:
        raise Stop(
            Exit.WRONG_USE,
            "--aws needs the name of a deployment, and none is given: "
            f"add --stage, as in --stage {PRODUCTION}, or set {STAGE} in the environment or in .env",
        )


def stage(args: argparse.Namespace) -> str:
    """The stage that the command works on."""
    return str(args.stage) if args.aws else LOCAL


def advised(args: argparse.Namespace, *words: str) -> str:
    """A command line for the stage that this command works on."""
    return advised_commands.advised(stage(args), *words)


def answering(parser: argparse.ArgumentParser) -> None:
    """For what is written down with who did it and why."""
    parser.add_argument("--reason", metavar="WHY", help="why; must be said for what is done to many at once")
    parser.add_argument("--who", help="whose decision it is; with --aws your ARN, else login@host")


def who(args: argparse.Namespace, cloud: Cloud) -> str:
    from cli.commands.pause import signed

    if args.who or not args.aws:
        return args.who or signed()
    sts: Any = cloud.session.client("sts", region_name=cloud.names.region)
    return str(sts.get_caller_identity()["Arn"])


@contextmanager
def opened(args: argparse.Namespace) -> Iterator[Cloud]:
    """The cloud to work on, for as long as the block lasts. Raises Stop with NO_CLOUD where it does not answer."""
    from botocore import exceptions

    away = (
        exceptions.ConnectionError,
        exceptions.HTTPClientError,
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.ProfileNotFound,
        exceptions.SSOError,
    )
    try:
        with account(args.stage) if args.aws else _local() as cloud:
            yield cloud
    except away as error:
        raise Stop(Exit.NO_CLOUD, f"no cloud answers: {error}") from error
    except exceptions.ClientError as error:
        raise _refusal(error, args) from error


@contextmanager
def account(stage: str) -> Iterator[Cloud]:
    from botocore.session import get_session

    session = get_session()
    region = os.environ.get("AWS_REGION") or session.get_config_variable("region")
    if not region:
        raise Stop(Exit.WRONG_USE, "no AWS region is set: say AWS_REGION=..., or put one into your AWS profile")
    sts: Any = session.create_client("sts", region_name=region)
    caller = sts.get_caller_identity()
    partition = caller["Arn"].split(":")[1]
    suffix = SUFFIXES.get(partition, "amazonaws.com")
    output.say(f"account {caller['Account']}, stage {stage}, {region}, as {caller['Arn']}")
    with replaced({**os.environ, **said(stage, caller["Account"], region)}):
        yield Cloud(Names(stage, caller["Account"], region, partition, suffix))


def _local() -> AbstractContextManager[Cloud]:
    # With --aws nothing of the local cloud is needed.
    from cli.up.local_session import opened as opened_here

    return opened_here()


def to_deploy(args: argparse.Namespace) -> str:
    """Advice on how to get a deployment that is missing."""
    if args.aws:
        return f"deploy it: {advised_commands.deployment(args.stage)}"
    return f"start the local cloud once: {advised_commands.without_stage('up')}"


def _refusal(error: Any, args: argparse.Namespace) -> Stop:
    """AWS's own no: what is not deployed, and whom it does not let in, are no failures of a job."""
    code = error.response.get("Error", {}).get("Code", "")
    if code in ("ResourceNotFoundException", "NoSuchBucket") or "NonExistentQueue" in code:
        return Stop(Exit.NO_CLOUD, f"{error}\nIt is not deployed there; {to_deploy(args)}")
    if code in ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"):
        return Stop(Exit.NO_CLOUD, f"{error}\nSign in again, then repeat the command.")
    return Stop(Exit.FAILED, str(error))

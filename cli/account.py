"""The cloud that a command works on: the local one, or with --aws an account."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from cli import output
from cli.ending import Exit, Stop
from cli.environment import replaced, said
from shared.cloud import Cloud
from shared.names import PRODUCTION, Names

ROOT = Path(__file__).resolve().parent.parent
# Of the partitions whose queues' URLs end differently.
SUFFIXES = {"aws-cn": "amazonaws.com.cn"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--aws", action="store_true", help="work on the AWS account that your credentials are for")
    parser.add_argument("--stage", help="with --aws: which deployment; NIGHTSHIFT_STAGE, or prod where none is named")


def answering(parser: argparse.ArgumentParser) -> None:
    """For what is written down with who did it and why."""
    parser.add_argument("--reason", metavar="WHY", help="why; must be said for what is done to many at once")
    parser.add_argument("--who", help="whose decision it is; with --aws your ARN, else login@host")


def who(args: argparse.Namespace, cloud: Cloud) -> str:
    from cli.pause import signed

    if args.who or not args.aws:
        return args.who or signed()
    sts: Any = cloud.session.create_client("sts", region_name=cloud.names.region)
    return str(sts.get_caller_identity()["Arn"])


@contextmanager
def opened(args: argparse.Namespace) -> Iterator[Cloud]:
    """The cloud to work on, for as long as the block lasts. Raises Stop with NO_CLOUD where it does not answer."""
    from botocore import exceptions

    if args.stage and not args.aws:
        raise Stop(Exit.WRONG_USE, "--stage names a deployment in an account: say --aws with it")
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
def account(stage: str | None) -> Iterator[Cloud]:
    from botocore.session import get_session

    session = get_session()
    region = os.environ.get("AWS_REGION") or session.get_config_variable("region")
    if not region:
        raise Stop(Exit.WRONG_USE, "no AWS region is set: say AWS_REGION=..., or put one into your AWS profile")
    stage = stage or os.environ.get("NIGHTSHIFT_STAGE") or PRODUCTION
    sts: Any = session.create_client("sts", region_name=region)
    caller = sts.get_caller_identity()
    partition = caller["Arn"].split(":")[1]
    suffix = SUFFIXES.get(partition, "amazonaws.com")
    output.say(f"account {caller['Account']}, stage {stage}, {region}, as {caller['Arn']}")
    with replaced({**os.environ, **said(stage, caller["Account"], region)}):
        yield Cloud(Names(stage, caller["Account"], region, partition, suffix))


def _local() -> AbstractContextManager[Cloud]:
    # With --aws nothing of the local cloud is needed.
    from cli.laptop import opened as opened_here

    return opened_here()


def _refusal(error: Any, args: argparse.Namespace) -> Stop:
    """AWS's own no: what is not deployed, and whom it does not let in, are no failures of a job."""
    code = error.response.get("Error", {}).get("Code", "")
    if code in ("ResourceNotFoundException", "NoSuchBucket") or "NonExistentQueue" in code:
        where = "deploy it: npx cdk deploy --all" if args.aws else "start it once: python jobs.py up"
        return Stop(Exit.NO_CLOUD, f"{error}\nIt is not deployed there; {where}")
    if code in ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"):
        return Stop(Exit.NO_CLOUD, f"{error}\nSign in again, then repeat the command.")
    return Stop(Exit.FAILED, str(error))

"""Options `--aws` and `--stage`.

The cloud that a command works on, the local one or a stage of an AWS account.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cli import output
from cli.environment import STAGE, deployment_variables, external, replace_environment
from cli.exit_codes import CommandError, Exit
from shared import advised_commands
from shared.aws.cloud import Cloud
from shared.aws.names import ALERTS_TOPIC, BUCKET, LOCAL, PRODUCTION, Names

# Domains of queue URLs, by partition, where they differ from amazonaws.com.
DOMAINS = {"aws-cn": "amazonaws.com.cn"}
# In DynamoDB's messages about an index that does not exist, or is still being built.
INDEX_MISSING = ("specified index", "backfilling")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--aws", action="store_true", help="use the AWS account of your credentials (default: local cloud)"
    )
    parser.add_argument(
        "--stage", help=f"with --aws, the deployment, as in --stage {PRODUCTION} (default: {STAGE}; one is required)"
    )


def add_services(parser: argparse.ArgumentParser) -> None:
    """Add the option of commands that run jobs locally."""
    parser.add_argument(
        "--real-services",
        action="store_true",
        help="without --aws: use the relay, name servers and URLs of this environment (default: local servers)",
    )


def resolve_stage(args: argparse.Namespace) -> None:
    """Set `args.stage` of every command that takes --aws.

    Raises CommandError for --aws without a stage, and --stage without --aws: no deployment is the default.
    """
    if not hasattr(args, "aws"):
        return
    if not args.aws:
        if args.stage is not None:
            raise CommandError(Exit.WRONG_USE, "--stage names a deployment in an AWS account: add --aws")
        return
    # An empty --stage comes from a variable that was not set; it is not a request for the default.
    args.stage = (os.environ.get(STAGE, "") if args.stage is None else args.stage).strip()
    if not args.stage:
        raise CommandError(
            Exit.WRONG_USE,
            "--aws needs the name of a deployment, and none is given: "
            f"add --stage, as in --stage {PRODUCTION}, or set {STAGE} in the environment or in .env",
        )


def stage(args: argparse.Namespace) -> str:
    return str(args.stage) if args.aws else LOCAL


def advised(args: argparse.Namespace, *words: str) -> str:
    """A command line of jobs.py for the stage of this command."""
    return advised_commands.advised(stage(args), *words)


@contextmanager
def open_cloud(args: argparse.Namespace, *, reading: bool = False) -> Iterator[Cloud]:
    """The cloud to work on, while the block lasts.

    reading: deploys nothing locally. Raises CommandError with NO_CLOUD if it cannot be reached.
    """
    from botocore import exceptions

    unreachable = (
        exceptions.ConnectionError,
        exceptions.HTTPClientError,
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.ProfileNotFound,
        exceptions.SSOError,
    )
    try:
        with open_account(args.stage) if args.aws else _local(args, reading) as cloud:
            yield cloud
    except unreachable as error:
        raise CommandError(Exit.NO_CLOUD, f"the cloud cannot be reached: {error}") from error
    except exceptions.ClientError as error:
        raise _client_error(error, args) from error


@contextmanager
def open_account(stage: str) -> Iterator[Cloud]:
    from botocore.session import get_session

    session = get_session()
    region = os.environ.get("AWS_REGION") or session.get_config_variable("region")
    if not region:
        raise CommandError(
            Exit.WRONG_USE, "no AWS region is set: set AWS_REGION in the environment, or a region in your AWS profile"
        )
    sts: Any = session.create_client("sts", region_name=region)
    caller = sts.get_caller_identity()
    partition = caller["Arn"].split(":")[1]
    domain = DOMAINS.get(partition, "amazonaws.com")
    output.notice(f"account {caller['Account']}, stage {stage}, {region}, as {caller['Arn']}")
    with replace_environment({**os.environ, **deployment_variables(stage, caller["Account"], region)}):
        names = Names(
            *(stage, caller["Account"], region, partition, domain),
            given_bucket=os.environ.get(BUCKET, ""),
            given_topic=os.environ.get(ALERTS_TOPIC, ""),
        )
        yield Cloud(names)


@contextmanager
def local_services(args: argparse.Namespace) -> Iterator[None]:
    """Hide settings that lead outside while the block lasts.

    A .env made for production must not send mail, or report to monitoring, from a laptop.
    """
    ignored = [] if getattr(args, "real_services", False) else external(os.environ)
    if ignored:
        output.notice(f"ignored by the local cloud, unless --real-services is given: {', '.join(ignored)}")
    with replace_environment({name: value for name, value in os.environ.items() if name not in ignored}):
        yield


@contextmanager
def _local(args: argparse.Namespace, reading: bool) -> Iterator[Cloud]:
    # Imported lazily: with --aws nothing of the local cloud is needed.
    from cli.up import local_session

    opened = local_session.open_state() if reading else local_session.open_cloud()
    with local_services(args), opened as cloud:
        yield cloud


def deployment_hint(args: argparse.Namespace) -> str:
    """How to create a deployment that is missing."""
    if args.aws:
        return f"deploy it: {advised_commands.deployment(args.stage)}"
    return f"start the local cloud once: {advised_commands.without_stage('up')}"


def _client_error(error: Any, args: argparse.Namespace) -> CommandError:
    """A missing deployment and refused credentials are NO_CLOUD.

    Every other error of AWS is a failure.
    """
    code = error.response.get("Error", {}).get("Code", "")
    if code in ("ResourceNotFoundException", "NoSuchBucket") or "NonExistentQueue" in code:
        return CommandError(Exit.NO_CLOUD, f"{error}\nThis stage is not deployed; {deployment_hint(args)}")
    if code == "ValidationException" and any(words in str(error) for words in INDEX_MISSING):
        return CommandError(
            Exit.NO_CLOUD,
            f"{error}\nThis stage was deployed before the index was declared, or its index is still being built: "
            f"see docs/howto/upgrade.md; {deployment_hint(args)}",
        )
    if code in ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"):
        return CommandError(Exit.NO_CLOUD, f"{error}\nSign in again, then repeat the command.")
    return CommandError(Exit.FAILED, str(error))

"""AWS clients of the local cloud, independent of this machine's AWS configuration."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any

from local.engine.emulator import ACCOUNT, REGION

# botocore's format: name in a file, environment variable, default, conversion.
NO_USER_CONFIGURATION = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


def environment(endpoint: str, token: str, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """`base` without AWS variables, plus those that direct clients to `endpoint`."""
    other = {name: value for name, value in (base or {}).items() if not name.startswith("AWS_")}
    return other | {
        "AWS_ENDPOINT_URL": endpoint,
        # Twelve digits: ministack uses the access key as the account's number.
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": token,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def client(service: str, endpoint: str, token: str, account: str = ACCOUNT) -> Any:
    """A client of the engine, independent of this machine's AWS configuration."""
    from botocore.config import Config
    from botocore.session import Session

    session = Session(session_vars=NO_USER_CONFIGURATION)
    session.register_component("data_loader", _models())
    return session.create_client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=account,
        aws_secret_access_key="local",
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 3}, max_pool_connections=50),
    )


@functools.cache
def _models() -> Any:
    """Loader of the services' models, shared by all clients."""
    from botocore.loaders import Loader

    return Loader()

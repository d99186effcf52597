"""Session token of one local cloud, which every AWS request must carry.

It is random and stored with the state. The access key is the account's number, which is not a secret.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from local.engine import emulator

FILE = "session-token"


def instance_token(folder: Path) -> str:
    """Read the token of the local cloud in `folder`, or create it.

    Only its user may read the file.
    """
    file = folder / FILE
    with contextlib.suppress(FileNotFoundError):
        file.chmod(0o600)
        return file.read_text()
    # Renamed when complete: a truncated token would be used forever.
    unfinished = file.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file_:
        file_.write(secrets.token_urlsafe(32))
    unfinished.replace(file)
    return file.read_text()


def of_function(config: Mapping[str, Any], token: str) -> dict[str, str]:
    """Credentials of a function: its role's session if roles are enforced."""
    account, function = config["FunctionArn"].split(":")[4], config["FunctionName"]
    if not emulator.application().AUTH:
        return {"AWS_ACCESS_KEY_ID": account, "AWS_SECRET_ACCESS_KEY": "local", "AWS_SESSION_TOKEN": token}
    # Derived from the token: the same after a restart, and not predictable from names, as ministack's are.
    identity = f"{config['FunctionArn']} {config['Role']}"
    key, secret, session = (_derived(token, f"{part} {identity}") for part in ("key", "secret", "session"))
    key, role = f"ASIA{key[:16].upper()}", config["Role"].rsplit("/", 1)[-1]
    emulator.service("sts").register_session(
        key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{function}",
            "UserId": f"{role}:{function}",
            "SecretAccessKey": secret,
            "SessionToken": session,
        },
    )
    return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": session}


def session_tokens() -> Iterator[str]:
    """Tokens of valid STS sessions, of functions and the CDK."""
    sts = emulator.service("sts")
    for session in list(sts._sessions.values()):
        if session.get("SessionToken") and not sts._session_expired(session):
            yield session["SessionToken"]


def _derived(token: str, name: str) -> str:
    return hmac.new(token.encode(), name.encode(), hashlib.sha256).hexdigest()

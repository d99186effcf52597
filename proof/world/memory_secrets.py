"""Secrets Manager and parameters of Systems Manager in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proof.world.aws_errors import client_error


class MemorySecrets:
    """Values by physical name."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.parameters: dict[str, str] = {}

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Perform GetSecretValue or GetParameter. Raises ClientError."""
        match operation:
            case "GetSecretValue":
                value = _found(self.secrets, request["SecretId"], operation, "ResourceNotFoundException")
                return {"SecretString": value}
            case "GetParameter":
                value = _found(self.parameters, request["Name"], operation, "ParameterNotFound")
                return {"Parameter": {"Name": request["Name"], "Value": value}}
        raise NotImplementedError(f"secrets in memory do not have {operation}")


def _found(values: Mapping[str, str], name: str, operation: str, code: str) -> str:
    if name not in values:
        raise client_error(operation, code, f"there is no value of {name}")
    return values[name]

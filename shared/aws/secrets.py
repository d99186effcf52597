"""Secrets and SSM parameters, cached by Powertools for MAX_AGE.

A rotated value is used after MAX_AGE at the latest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

# Seconds for which a value is cached.
MAX_AGE = 300


class NoSecret(LookupError):
    """The secret or parameter does not exist, or has no value."""


def read(cloud: Cloud, name: str) -> str:
    """Read the current value of a secret. Raises NoSecret."""
    physical = cloud.names.secret(name)
    # A secret that never had a value is not found either.
    return _read(cloud.secret_values, f"secret {physical}", "ResourceNotFoundException", physical)


def read_parameter(cloud: Cloud, name: str) -> str:
    """Read a SecureString of Systems Manager. Raises NoSecret."""
    physical = f"/{cloud.names.secret(name)}"
    return _read(cloud.parameter_values, f"parameter {physical}", "ParameterNotFound", physical, decrypt=True)


def _read(provider: Any, title: str, not_found: str, physical: str, **options: Any) -> str:
    from aws_lambda_powertools.utilities.parameters import GetParameterError

    try:
        value: str = provider.get(physical, max_age=MAX_AGE, **options)
    except GetParameterError as error:
        # Powertools wraps every error; callers distinguish the SDK's.
        if type(error.__context__).__name__ != not_found:
            raise error.__context__ or error from None
        value = ""
    if not value:
        raise NoSecret(f"the {title} has no value; put one in")
    return value

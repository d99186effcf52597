"""Environment of a function: Lambda's variables and the declared ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def of_function(config: Mapping[str, Any], code: Path, stream: str, credentials: Mapping[str, str]) -> dict[str, str]:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html; the reserved ones win."""
    logging = config.get("LoggingConfig") or {}
    name, region = config["FunctionName"], config["FunctionArn"].split(":")[3]
    reserved = {
        "_HANDLER": config["Handler"],
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config['Runtime']}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config["MemorySize"]),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": config.get("Version", "$LATEST"),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": logging.get("LogFormat", "Text"),
        "AWS_LAMBDA_LOG_GROUP_NAME": logging.get("LogGroup") or f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_REGION": region,
        "LAMBDA_TASK_ROOT": str(code),
    }
    if level := logging.get("ApplicationLogLevel"):
        reserved["AWS_LAMBDA_LOG_LEVEL"] = level
    return {
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TZ": ":UTC",
        **(config.get("Environment") or {}).get("Variables", {}),
        **reserved,
        **{name: value for name, value in credentials.items() if value},
    }

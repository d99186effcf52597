"""Functions: reserved concurrency of 0, timeouts, runtime, environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.doctor import deployed_functions
from infra.finding import Finding, refused, warning
from infra.template import Template, text

CHECK = "function"
ENVIRONMENT = 4096
NAME = 64
# Of functions behind a URL, whose callers wait no longer.
URL_TIMEOUT = 900


def check(templates: Mapping[str, Template]) -> Iterator[Finding]:
    for function in deployed_functions.read(templates):
        properties, where = function.resource.properties, function.where
        if properties.get("ReservedConcurrentExecutions") == 0:
            yield refused(
                CHECK,
                where,
                "its reserved concurrency is 0: Lambda starts no run of it, and every event becomes a dead letter",
                "remove ReservedConcurrentExecutions; to stop a job, pause it",
            )
        if "Timeout" not in properties:
            yield refused(CHECK, where, "without a timeout Lambda stops it after 3 s", "set Timeout")
        if "FunctionName" not in properties or len(function.name) > NAME:
            yield refused(
                CHECK,
                where,
                f"its name must be given, with at most {NAME} characters",
                "shorten the name",
            )
        variables = properties.get("Environment", {}).get("Variables", {})
        size = sum(len(name.encode()) + len(text(value).encode()) for name, value in variables.items())
        if size > ENVIRONMENT:
            yield refused(
                CHECK, where, f"its environment has {size:,} bytes, Lambda allows {ENVIRONMENT:,}", "shorten a setting"
            )
        if properties.get("DeadLetterConfig"):
            yield warning(
                CHECK,
                where,
                "DeadLetterConfig loses the reason of a failure",
                "use the on-failure destination of an EventInvokeConfig instead",
            )

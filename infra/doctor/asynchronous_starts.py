"""Functions that events start: Lambda's own retries, and where failed events go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.doctor import deployed_functions
from infra.finding import Finding, refused, warning
from infra.template import Template

CHECK = "async-start"
LONGEST_AGE = 6 * 3600


def check(templates: Mapping[str, Template]) -> Iterator[Finding]:
    for function in deployed_functions.read(templates):
        if not function.starters:
            continue
        configs = function.parts.get("AWS::Lambda::EventInvokeConfig", [])
        properties = configs[0].properties if configs else {}
        if properties.get("MaximumRetryAttempts", 2) != 0:
            yield refused(
                CHECK,
                function.where,
                "Lambda repeats a failed asynchronous run twice, beside the retries of the job",
                "set MaximumRetryAttempts: 0 in its EventInvokeConfig",
            )
        if properties.get("MaximumEventAgeInSeconds", LONGEST_AGE) >= LONGEST_AGE:
            yield warning(
                CHECK,
                function.where,
                "an event may wait six hours for a free function, and then run beside newer ticks",
                "set MaximumEventAgeInSeconds in its EventInvokeConfig, such as 3600",
            )
        if not properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"):
            yield refused(
                CHECK,
                function.where,
                "a run that times out or crashes leaves no trace",
                "set DestinationConfig.OnFailure in its EventInvokeConfig to the queue firings",
            )

"""Log groups: each function has one, which expires."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.doctor import deployed_functions
from infra.finding import Finding, refused, warning
from infra.template import Template, resources, text

CHECK = "logs"


def check(templates: Mapping[str, Template]) -> Iterator[Finding]:
    groups = list(resources(templates, "AWS::Logs::LogGroup"))
    named = {text(group.properties.get("LogGroupName", "")) for group in groups}
    for group in groups:
        if not group.properties.get("RetentionInDays"):
            yield refused(CHECK, f"{group.stack}/{group.id}", "its log never expires", "set RetentionInDays")
    for function in deployed_functions.read(templates):
        own = text(function.resource.properties.get("LoggingConfig", {}).get("LogGroup", ""))
        if f"/aws/lambda/{function.name}" not in named and own.strip("<>") not in {group.id for group in groups}:
            yield warning(
                CHECK,
                function.where,
                "Lambda creates its log group on the first run, and its lines never expire",
                f"add an AWS::Logs::LogGroup named /aws/lambda/{function.name} with RetentionInDays",
            )

"""Function URLs: the two permissions, and protection of the jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.doctor import deployed_functions
from infra.finding import Finding, refused
from infra.template import Template

CHECK = "function-url"


def check(templates: Mapping[str, Template]) -> Iterator[Finding]:
    for function in deployed_functions.read(templates):
        if not function.parts.get("AWS::Lambda::Url"):
            continue
        allowed = {
            permission.properties.get("Action") for permission in function.parts.get("AWS::Lambda::Permission", [])
        }
        for action in ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction"):
            if action not in allowed:
                yield refused(
                    CHECK,
                    function.where,
                    f"its URL answers 403: nobody may {action}",
                    f"add an AWS::Lambda::Permission for {action}, with FunctionUrlAuthType or InvokedViaFunctionUrl",
                )

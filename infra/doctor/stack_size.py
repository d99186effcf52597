"""Resources and names of each stack against their quotas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra import quotas
from infra.finding import Finding, refused
from infra.template import Template

CHECK = "stack-size"


def check(templates: Mapping[str, Template]) -> Iterator[Finding]:
    for of_templates in (quotas.of_stacks, quotas.of_names):
        for problem in of_templates(templates):
            text, _, fix = problem.partition("; ")
            yield refused(CHECK, text.split()[0], text, fix or "see docs/howto/deploy.md")

"""Context of the app: `-c name=value` of the CDK command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from infra.mapping_concurrency import POOL
from infra.public import CONCURRENCY
from infra.state import WITHOUT_INDEX
from shared.aws.names import FIRST

STAGE, NAG = "stage", "nag"
KNOWN = (STAGE, FIRST, NAG, CONCURRENCY, POOL, WITHOUT_INDEX)
# difflib's ratio from which a name is taken for a misspelt one. Users have context of their own, in ~/.cdk.json.
CLOSE = 0.75


class ContextError(Exception):
    """A misspelt name of context, which would be ignored."""


def check(names: Iterable[str]) -> None:
    """Refuse names that resemble one of the app's. Raises ContextError."""
    errors = [
        f"-c {name}: there is no such context; did you mean -c {near[0]}?"
        for name in sorted(names)
        if name not in KNOWN and (near := difflib.get_close_matches(name, KNOWN, n=1, cutoff=CLOSE))
    ]
    if errors:
        raise ContextError("\n".join(errors))

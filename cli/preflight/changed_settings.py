"""Settings of functions that differ from the deployed ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from cli.preflight.change import Change, Named, named_resources
from infra.finding import Finding, warning
from infra.template import text
from shared.aws.names import CODE_VERSION, LOCAL

CHECK = "setting"
FUNCTION = "AWS::Lambda::Function"
LONGEST = 60


def check(change: Change) -> Iterator[Finding]:
    """Each changed setting once, with the functions that have it.

    The local cloud's settings are those of each start.
    """
    if change.stage == LOCAL:
        return
    before = {named.name: _variables(named) for named in named_resources(change.before, FUNCTION)}
    changes: dict[tuple[str, str | None, str | None], list[str]] = defaultdict(list)
    for named in named_resources(change.after, FUNCTION):
        old, new = before.get(named.name), _variables(named)
        for name in sorted({*old, *new} - {CODE_VERSION}) if old is not None else ():
            if old is not None and old.get(name) != new.get(name):
                changes[name, old.get(name), new.get(name)].append(named.name)
    for (name, was, now), functions in sorted(changes.items(), key=str):
        others = f" and {len(functions) - 1} more" if len(functions) > 1 else ""
        source = change.sources.get(name)
        if now is None:
            why = "nothing sets it here"
            fix = f"to keep it, set it in stages/{change.stage}.toml"
        elif source is None:
            why = "by the declarations of this checkout"
            fix = "deploy the version that is deployed, or accept the change"
        else:
            why = f"by {source}"
            fix = f"to keep the deployed value, set it in stages/{change.stage}.toml"
        yield warning(
            CHECK, f"{functions[0]}{others}", f"{name} changes from {_shown(was)} to {_shown(now)}, {why}", fix
        )


def _variables(named: Named) -> dict[str, str]:
    variables: Mapping[str, Any] = named.properties.get("Environment", {}).get("Variables", {})
    return {name: text(value) for name, value in variables.items()}


def _shown(value: str | None) -> str:
    if value is None:
        return "not set"
    return repr(value if len(value) <= LONGEST else f"{value[:LONGEST]}...")

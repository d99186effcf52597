"""docs/reference/permissions.md: the use of each role."""

from __future__ import annotations

from typing import Any

from cli.generate import markdown
from cli.paths import ROOT
from shared.text.regular_file import read_regular
from shared.text.untrusted_json import parse_json

FIGURES = ROOT / "docs" / "reference" / "permissions.json"
MAX_BYTES = 1_000_000
INTRODUCTION = """# Permissions

Least privilege, tried both ways. Each job runs in the world of [the proof](../explain/proof.md): undisturbed, with
faults of AWS, and with errors of its own code. The policy of its role decides about each of its calls, as IAM would.
`denied` counts accesses that the role does not allow, and `used` statements that allowed at least one call. Each other
statement has a reason, which the second table counts. `python -m proof.permissions` writes the figures, and
`tests/proof/permissions/test_usage.py` fails for a denied access and for an unused statement without a reason.
"""
COLUMNS = ("calls", "denied", "statements", "used")


def page() -> str:
    stored: dict[str, Any] = parse_json(read_regular(FIGURES, MAX_BYTES).decode()) if FIGURES.exists() else {}
    rows = [[f"`{job}`", *(f"{each[column]:,}" for column in COLUMNS)] for job, each in stored.items()]
    total = ["all", *(f"{sum(each[column] for each in stored.values()):,}" for column in COLUMNS)]
    reasons: dict[str, int] = {}
    for each in stored.values():
        for why in each["unused"].values():
            reasons[why] = reasons.get(why, 0) + 1
    counted = [[why, f"{count:,}"] for why, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))]
    return markdown.page(
        INTRODUCTION,
        markdown.table(["job", *COLUMNS], [*rows, total]),
        markdown.table(["reason", "statements"], counted),
    )

"""Ranges of sort keys in key conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

RANGE = re.compile(r"\bBETWEEN (:\w+) AND (:\w+)")


def is_empty(condition: str, values: Mapping[str, Any]) -> bool:
    """Whether a key condition has a range that contains no key.

    DynamoDB refuses a query whose lower bound is above its upper bound, so such a query must not be made. moto answers
    it with no rows.
    """
    bounds = RANGE.search(condition)
    if bounds is None:
        return False
    first, last = (str(values[name]).encode() for name in bounds.groups())
    return first > last

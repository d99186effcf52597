"""Ranges of sort keys in key conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

NUMBERS = (int, float, Decimal)
RANGE = re.compile(r"\bBETWEEN (:\w+) AND (:\w+)")


def is_empty(condition: str, values: Mapping[str, Any]) -> bool:
    """Whether a key condition has a range that contains no key.

    DynamoDB refuses a query whose lower bound is above its upper bound, so such a query must not be made. moto answers
    it with no rows.
    """
    bounds = RANGE.search(condition)
    if bounds is None:
        return False
    first, last = (values[name] for name in bounds.groups())
    if isinstance(first, str) and isinstance(last, str):
        # By UTF-8 bytes, as DynamoDB sorts. A lone surrogate is in no key, and must not raise.
        return first.encode(errors="surrogatepass") > last.encode(errors="surrogatepass")
    return isinstance(first, NUMBERS) and isinstance(last, NUMBERS) and first > last

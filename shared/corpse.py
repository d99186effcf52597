"""Claim items as they stand; and runs that died without a word: found by their lease, and written down as `lost`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

"""A run whose process ended before it did: written down, and its attempt counted, since it could not do so itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

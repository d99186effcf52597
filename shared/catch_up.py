"""What becomes of ticks that were missed: nothing, or one run for all of them."""

from __future__ import annotations

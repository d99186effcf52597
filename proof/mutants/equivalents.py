"""Mutants that change no behaviour, each with the reason. Reviewed by hand.

A name that no mutant has any more is reported: its line has changed, and the reason may no longer hold.
"""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {}

"""Error of a write that a later run has fenced off."""

from __future__ import annotations


class Fenced(Exception):
    """Another run has taken the claim after the lease expired.

    Nothing was written.
    """

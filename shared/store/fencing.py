"""The error of a write that a later run has fenced off."""

from __future__ import annotations


class Fenced(Exception):
    """The claim is no longer ours: the lease ran out and another run took it. Nothing was written."""

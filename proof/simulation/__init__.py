"""Simulation: the registry on a virtual clock, disturbed by a seed.

Invariants are checked on the way and at the end; a violation is replayed by its seed.
"""

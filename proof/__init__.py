"""Crash prover: every job, interrupted at every crash point, in memory.

The state that is left is compared with that of an undisturbed run.
"""

"""Mutants of the core.

Each weakens one condition, order, key or filter, and a test must fail.
"""

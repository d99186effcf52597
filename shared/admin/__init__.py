"""Operator actions and views.

Redrive, purge, pause, effects, the audit log, trace and explanation of a tick.
"""

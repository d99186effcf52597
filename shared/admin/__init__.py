"""Operator actions and views: redrive, purge, pause, effects, the audit log, trace and explanation of a tick."""

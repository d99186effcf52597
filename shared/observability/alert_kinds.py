"""Kinds of the alerts."""

from __future__ import annotations

KINDS = (
    "JOB_PERMANENTLY_FAILED",
    "JOB_FAILING",
    "JOB_RECOVERED",
    "JOB_BRAKED",
    "JOB_BUDGET_USED_UP",
    "ROW_SET_ASIDE",
    "EFFECTS_UNCERTAIN",
    "OWNER_FAILED",
    "QUEUE_STUCK",
    "SIGN_INS_FAILED",
    "UNDECLARED_RESOURCES",
    "STARTS_BLOCKED",
    "ROLES_CHANGED",
)

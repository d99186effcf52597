"""Feature flags and usage: count usage, notify at thresholds, enforce limits."""

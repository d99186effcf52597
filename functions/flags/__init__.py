"""Feature flags and usage: count what organizations use, notify them at thresholds, and enforce limits."""

"""Logs, metrics, alerts, artifacts and heartbeats of runs."""

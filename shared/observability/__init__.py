"""What leaves a run: log lines, alerts, artifacts, heartbeats."""

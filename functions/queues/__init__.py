"""Draining queues over HTTP: a Function URL of its own, since break-glass may touch no queue."""

"""The console: pages and an HTTP API over all jobs."""

"""The console: an HTTP API over all jobs, on a Function URL."""

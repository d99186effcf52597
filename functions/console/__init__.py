"""The console's Function URL: an API over all jobs, for people and their programs."""

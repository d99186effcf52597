"""One run of a job: gates, claim, effects, status, history."""

"""The runtime: what a job is, and how one run of it goes."""

"""The parts of `jobs.py up`."""

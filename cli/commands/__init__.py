"""The commands of jobs.py, one module each."""

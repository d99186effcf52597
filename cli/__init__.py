"""The commands of jobs.py, a module each."""

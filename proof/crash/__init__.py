"""Crash points: one fault at one call of a job."""

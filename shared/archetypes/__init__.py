"""Archetypes: base classes of jobs for the common shapes of work."""

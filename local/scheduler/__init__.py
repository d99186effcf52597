"""Fires deployed rules and schedules, and delivers to their targets."""

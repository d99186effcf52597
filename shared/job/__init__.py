"""What a job declares."""

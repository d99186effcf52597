"""The queue endpoint, behind a Function URL of its own: the break-glass function may touch no queue."""

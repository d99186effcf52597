"""Break-glass: a guarded Function URL that starts jobs."""

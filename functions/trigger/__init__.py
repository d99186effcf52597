"""Break-glass: a guarded Function URL that starts a job and answers with its outcome."""

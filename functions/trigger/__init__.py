"""Break-glass: a guarded URL that starts a job and says how it went."""

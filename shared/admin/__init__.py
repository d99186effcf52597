"""What operators do and see: redrive, purge, pause, effects, audit, explanations."""

"""Assessments: transcripts that a model scores, and welcomes."""

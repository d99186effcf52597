"""Jobs of assessments: evaluation by a language model, and welcome e-mails."""

"""Jobs on webhooks, and on the log of what was delivered by them."""

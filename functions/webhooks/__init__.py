"""Jobs of webhooks: delivery, retries, and retention of the delivery log."""

"""Queue messages: payloads, envelopes, claim check, batches, retries, tenants."""

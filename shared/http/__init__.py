"""HTTP clients and their guards: declared hosts, untrusted URLs, webhooks, the internal token."""

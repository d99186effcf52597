"""HTTP: clients, SSRF guard, webhooks, Function URLs and their token."""

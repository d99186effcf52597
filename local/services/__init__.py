"""Servers on loopback for the local cloud: SMTP, DNS, a webhook receiver."""

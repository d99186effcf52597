"""E-mail: messages, and their relay (SES or SMTP)."""

"""E-mail: the message, and its relay (SES or SMTP)."""

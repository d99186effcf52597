"""Jobs of mail: forwarding, retention, usage and notifications."""

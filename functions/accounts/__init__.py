"""Jobs of user accounts: deletion, export, domains, aliases and tokens."""

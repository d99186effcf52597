"""The host side of plugins: sandbox, broker, workspaces, quotas."""

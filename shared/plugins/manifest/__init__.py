"""The plugin manifest: discovery, validation, and the permissions that it declares."""

"""The plugin manifest: what a plugin declares."""

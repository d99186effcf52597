"""Plugins: jobs of other packages, declared in a manifest and run in a sandboxed process with declared permissions."""

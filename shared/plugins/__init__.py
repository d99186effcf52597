"""Plugins: jobs of other packages, declared in manifests and run in sandboxes."""

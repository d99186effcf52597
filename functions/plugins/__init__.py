"""Jobs that come from plugins: those that are installed, and those that KB_PLUGIN_MANIFESTS names."""

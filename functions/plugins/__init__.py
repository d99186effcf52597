"""Jobs of plugins: installed ones, and those that KB_PLUGIN_MANIFESTS names."""

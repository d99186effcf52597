"""Code that runs in the process of a plugin, beside the plugin's own; the host makes all decisions."""

"""Platform code that runs in the process of a plugin."""

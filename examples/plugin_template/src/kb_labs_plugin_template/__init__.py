"""Three sample jobs, declared in plugin.toml."""

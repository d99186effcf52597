"""Three sample jobs; plugin.toml declares them."""

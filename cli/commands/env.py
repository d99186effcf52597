"""Print a .env template of every setting."""

from cli.generate.env_template import arguments, call

__all__ = ["arguments", "call"]

"""Write the files that are derived from the declarations."""

from cli.generate.main import arguments, call

__all__ = ["arguments", "call"]

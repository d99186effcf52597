"""This company's own rows and rules, on top of the platform."""

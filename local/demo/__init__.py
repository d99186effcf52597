"""The demo sites that the site checks look at."""

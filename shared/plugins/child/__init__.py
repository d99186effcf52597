"""What runs beside a plugin's code, in its process. It decides nothing: whoever serves it does."""

"""Where users fetch what was made for them."""

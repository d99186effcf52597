"""Feature flags and usage: what organizations use, are told of, and are kept from."""

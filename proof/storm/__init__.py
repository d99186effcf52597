"""Storms on the local cloud: real processes and sockets are disturbed."""

"""Clients, physical names, permissions, attribute values and secrets of AWS.

No other package makes a client.
"""

"""Clients, physical names, permissions, attribute values and secrets of AWS; no other package makes a client."""

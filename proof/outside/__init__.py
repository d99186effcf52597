"""Servers on loopback that count the effects they receive."""

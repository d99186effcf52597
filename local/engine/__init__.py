"""The engine of the local cloud (ministack), and what it lacks of AWS."""

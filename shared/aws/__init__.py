"""The only door to AWS: clients, physical names, permissions, attribute values, secrets."""

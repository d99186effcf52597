"""The jobs that keep the others going."""

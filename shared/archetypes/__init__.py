"""The few shapes that jobs come in; each holds what its jobs share."""

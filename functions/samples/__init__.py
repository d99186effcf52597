"""Sample jobs that demonstrate the platform."""

"""The files that are generated from declarations and models."""

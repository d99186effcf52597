"""Runs Lambda functions in processes of this machine."""

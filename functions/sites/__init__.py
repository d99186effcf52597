"""Checks of the sites in BASE_URLS, and evaluations of their pages."""

"""Jobs of sites: checks of sites, and evaluations of their pages.

BASE_URLS names the sites.
"""

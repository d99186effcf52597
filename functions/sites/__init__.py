"""Jobs of sites: checks of the sites in BASE_URLS, and evaluations of their pages."""

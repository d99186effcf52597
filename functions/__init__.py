"""Every job, one module each, in a folder per group."""

"""Download links of account exports."""

"""Local cloud: the deployed templates on this machine, on ministack."""

"""The local cloud: the deployed templates on this machine, and what its engine lacks of AWS."""

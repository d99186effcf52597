"""Who runs jobs outside of Lambda. Each broker that is not ours has an adapter, named as RUN_BY says."""

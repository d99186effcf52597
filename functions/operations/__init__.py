"""Jobs that operate the platform: dispatch, reconciliation, monitoring, dead letters, queues, retention."""

"""AWS in memory, with a virtual clock and faults."""

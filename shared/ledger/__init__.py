"""The tick ledger: which expected ticks ran, were late, or are missing."""

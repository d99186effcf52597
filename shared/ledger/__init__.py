"""The tick ledger: which expected ticks ran, ran late or were missed."""

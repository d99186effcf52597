"""Dead letters: kept, found, sent again, thrown away. `functions/operations/dead_letters.py` is how they come here."""

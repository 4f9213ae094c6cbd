"""Dead letters as an operator handles them: found, shown, counted, replayed, purged."""

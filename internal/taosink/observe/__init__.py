"""What an operator sees: logs, counts, progress."""

"""Settings: one frozen model per process, and the pure steps that lead from what was written to it."""

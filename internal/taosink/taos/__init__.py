"""TDengine: addresses, drivers, error classes, live schema, and the writer that puts batches into it."""

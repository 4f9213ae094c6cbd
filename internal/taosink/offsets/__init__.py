"""`taosink offsets`: where a group stands, and setting it elsewhere."""

"""The device fleet that the producer command runs."""

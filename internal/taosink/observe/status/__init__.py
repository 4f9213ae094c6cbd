"""The consumer's status listener: what it knows of the consumer, and the calls that it answers."""

"""Kafka: the consumer side (source) and the producing side (publish, dead letters, topics)."""

"""Texts over a link with small frames: cut, sent on, collected from Kafka, delivered."""

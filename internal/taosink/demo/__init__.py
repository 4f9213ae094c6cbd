"""The main job on one machine: broker, database, producer, consumers, and an audit of what they did."""

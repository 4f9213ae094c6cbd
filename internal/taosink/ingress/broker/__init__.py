"""Everything between the gateway's event loop and Kafka."""

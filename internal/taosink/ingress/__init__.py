"""The gateway: devices' sockets on one side, Kafka on the other."""

"""taosink: device readings from Apache Kafka into TDengine."""

__version__ = "0.1.0"

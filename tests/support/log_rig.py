"""The processes whose log is looked at, and a word that must not stand in it."""

from support.kafka_broker import KafkaUnderTest
from support.kafka_data import unique

MARK = "payload-mark"


def new_topic(kafka: KafkaUnderTest) -> str:
    """With two partitions, and its dead letters."""
    name = unique("logs")
    kafka.create_topic(name, 2)
    kafka.create_topic(f"{name}.dlq", 1)
    return name


def consumer_of(kafka: KafkaUnderTest, topic: str, address: str) -> dict[str, str]:
    """A consumer's settings."""
    return {"kafka.brokers": kafka.bootstrap, "topic": topic, "taosuri": address, "schema.create": "true"}


def gateway_of(kafka: KafkaUnderTest, topic: str) -> dict[str, str]:
    """A gateway's settings: everybody may come in, over TCP alone."""
    return {
        "kafka.brokers": kafka.bootstrap,
        "topic": topic,
        "ingress.tcp-listen": "127.0.0.1:0",
        "ingress.http-listen": "",
        "ingress.auth": "open",
        "ingress.response-topics": f"{topic}.answers",
        "ingress.request-topic": f"{topic}.requests",
        "ingress.presence-topic": f"{topic}.presence",
        "ingress.commands-topic": f"{topic}.commands",
        "stop.deadline": "5s",
    }

"""Answers about stored records, by way of a real broker and a database."""

import json
import signal

from confluent_kafka import Producer
from support.consumer_process import consumer
from support.kafka_broker import KafkaUnderTest
from support.kafka_data import committed, read_all, unique
from support.source_rig import wait_for

from taosink.embedded.database.server import running
from taosink.records.record import Record, encode_msgpack

START_NS = 1_735_689_600_000_000_000


def asks(uid: int, client: str) -> list[tuple[str, bytes]]:
    return [
        ("taosink.reply.server", b"gw-1"),
        ("taosink.reply.client", client.encode()),
        ("taosink.reply.uid", str(uid).encode()),
        ("taosink.reply.ack", b"stored"),
    ]


def test_who_asked_hears_what_became_of_the_record(kafka: KafkaUnderTest) -> None:
    """Stored ones and a poison one are answered, each once; those without headers are stored in silence."""
    topic, answers = unique("replies"), unique("answers")
    for name in (topic, f"{topic}.dlq", answers):
        kafka.create_topic(name, 1)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for n in range(20):
        value = b"no record" if n == 7 else encode_msgpack(Record("d1", START_NS + n * 1_000_000, (1.5, n)))
        producer.produce(topic, value, headers=asks(n, f"c{n % 2}") if n % 2 or n == 0 else None)
    assert producer.flush(10) == 0
    with running("127.0.0.1:0") as database:
        settings = {
            "kafka.brokers": kafka.bootstrap,
            "topic": topic,
            "taosuri": f"{database.replace('//', '//root:taosdata@')}/d",
            "schema.create": "true",
            "ingress.replies": "true",
            "ingress.response-topic": answers,
        }
        with consumer(settings) as process:
            wait_for(lambda: committed(kafka.bootstrap, topic, topic).get(0) == 20)
            assert process.stop(signal.SIGTERM) == 0, process.last_words()
    found: dict[int, dict[str, object]] = {}
    for message in read_all(kafka.bootstrap, answers):
        told = json.loads(message.value() or b"")
        assert (message.key(), told["serverId"]) == (b"gw-1", "gw-1")
        for answer in told["answers"]:
            assert answer["uid"] not in found
            found[answer["uid"]] = answer
    assert sorted(found) == [0, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]
    poison = found.pop(7)
    assert (poison["status"], poison["errorCode"]) == ("rejected", "record_rejected")
    assert str(poison["errorMessage"]).startswith("malformed")
    assert {answer["status"] for answer in found.values()} == {"ok"}
    assert found[3] == {"clientId": "c1", "uid": 3, "status": "ok"}

"""A topic, its dead letters, a database, and the smallest writer between them, for audits and replays."""

from collections.abc import Callable, Sequence
from contextlib import closing

from confluent_kafka import Producer, TopicPartition
from support.kafka_broker import KafkaUnderTest
from support.kafka_data import commit, unique
from support.taos_server_under_test import TaosUnderTest

from taosbatch.encoding import Layout, Reject
from taosbatch.literals import Value
from taosink.kafka.dead_letters import KafkaDeadLetters
from taosink.kafka.topic_reader import read_topic
from taosink.ports import SourceMessage
from taosink.records.encoder import RecordEncoder
from taosink.records.record import Record, encode_msgpack
from taosink.taos.schema import LiveSchema, SchemaPolicy
from taosink.taos.writer import SqlBatchWriter

START_NS = 1_735_689_600_000_000_000
SECOND = 1_000_000_000


def reading(device: str, second: int, *cols: Value, nanos: int = 0) -> bytes:
    return encode_msgpack(Record(device, START_NS + second * SECOND + nanos, list(cols)))


class Rig:
    """Everything of one test, under names of its own."""

    def __init__(
        self, kafka: KafkaUnderTest, taos: TaosUnderTest, database: str, partitions: int = 2
    ) -> None:
        self.kafka, self.taos, self.database = kafka, taos, database
        self.topic = unique("audit")
        self.dead_letters = f"{self.topic}.dlq"
        self.properties = {"bootstrap.servers": kafka.bootstrap}
        kafka.create_topic(self.topic, partitions)
        kafka.create_topic(self.dead_letters, 1)

    @property
    def taosuri(self) -> str:
        at = self.taos.in_database(self.database)
        return f"http://{at.user}:{at.password}@{at.host}:{at.port}/{at.database}"

    @property
    def flags(self) -> list[str]:
        return [
            *("--kafka.brokers", self.kafka.bootstrap),
            *("--topic", self.topic),
            *("--taosuri", self.taosuri),
        ]

    def send(
        self,
        values: Sequence[bytes | None],
        partition: int = 0,
        *,
        topic: str = "",
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes | None]] = (),
        timestamp_ms: int = 0,
    ) -> None:
        producer = Producer({**self.properties, "log_level": 0, "message.max.bytes": 8 << 20})
        for value in values:
            producer.produce(
                topic or self.topic,
                value,
                key,
                partition,
                headers=list(headers),
                timestamp=timestamp_ms,
            )
            producer.poll(0)
        assert producer.flush(60) == 0
        producer.close()

    def store(self, lose: Callable[[SourceMessage], bool] = lambda _: False, first: int = 0) -> None:
        """Writes all records from the offset `first` on but those to be lost, dead-letters what is refused,
        and commits the ends as the group of the topic's name."""
        messages = [m for m in read_topic(self.properties, self.topic) if (m.offset() or 0) >= first]
        kept = [m for m in messages if not lose(m)]
        rejects = self.write([m.value() or b"" for m in kept])
        self.bury([(kept[r.index], r) for r in rejects])
        ends: dict[int, int] = {}
        for message in messages:
            partition, offset = message.partition() or 0, message.offset() or 0
            ends[partition] = max(ends.get(partition, 0), offset + 1)
        self.commit(ends)

    def write(self, values: Sequence[bytes]) -> Sequence[Reject]:
        schema = LiveSchema(Layout(self.database, "stb"), SchemaPolicy(create=True, alter=True))
        with closing(SqlBatchWriter(self.taos.connect(self.database), RecordEncoder(), schema)) as writer:
            written = writer.write(values, lambda: True)
        assert not written.waiting, written.cause
        return written.rejects

    def bury(self, rejects: Sequence[tuple[SourceMessage, Reject]], into: str = "") -> None:
        letters = KafkaDeadLetters(self.properties, topic=into, consumer="rig", max_letters=100_000)
        for source, reject in rejects:
            while not letters.publish(source, reject, lambda: None):
                assert letters.flush(30) == 0
        assert letters.close(30) == 0

    def commit(self, ends: dict[int, int]) -> None:
        commit(
            self.kafka.bootstrap, self.topic, [TopicPartition(self.topic, p, end) for p, end in ends.items()]
        )

    def execute(self, sql: str) -> None:
        with closing(self.taos.connect(self.database)) as driver:
            driver.execute(sql)

    def query(self, sql: str) -> list[list[object]]:
        with closing(self.taos.connect(self.database)) as driver:
            return [list(row) for row in driver.query(sql).rows]

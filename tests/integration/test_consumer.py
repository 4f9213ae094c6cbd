"""The consumer as a process, between the Kafka of this session and a TDengine: what each bad thing ends as."""

import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.consumer_process import consumer
from support.kafka_broker import KafkaUnderTest, free_ports
from support.kafka_data import committed, produce, read_all, unique
from support.taos_server_under_test import TaosUnderTest, announce, found, fresh_database

from taosbatch.fnv import partition
from taosink.embedded.database.server import running
from taosink.kafka.dlq_headers import DeadLetterInfo
from taosink.records.record import Record, encode_json, encode_msgpack
from taosink.simulator.poison import KINDS
from taosink.taos.errors import TaosError

START_NS = 1_735_689_600_000_000_000
MB = 1 << 20


@pytest.fixture(scope="module")
def taos(request: pytest.FixtureRequest) -> Iterator[TaosUnderTest]:
    with found() as server:
        announce(request.config, server)
        yield server


@pytest.fixture
def database(taos: TaosUnderTest) -> Iterator[str]:
    with fresh_database(taos) as name:
        yield name


def uri(taos: TaosUnderTest, database: str) -> str:
    where = taos.in_database(database)
    scheme = "taos" if where.kind == "native" else "https" if where.tls else "http"
    return f"{scheme}://{where.user}:{where.password}@{where.host}:{where.port}/{database}"


def arguments(kafka: KafkaUnderTest, topic: str, address: str, **more: str) -> dict[str, str]:
    return {
        "kafka.brokers": kafka.bootstrap,
        "topic": topic,
        "taosuri": address,
        "schema.create": "true",
        **{name.replace("__", ".").replace("_", "-"): value for name, value in more.items()},
    }


def make_topics(kafka: KafkaUnderTest, partitions: int = 2, config: dict[str, str] | None = None) -> str:
    topic = unique("readings")
    kafka.create_topic(topic, partitions, config)
    kafka.create_topic(f"{topic}.dlq", 1)
    return topic


def reading(device: str, row: int, *cols: bool | int | float | str | None) -> bytes:
    return encode_msgpack(Record(device, START_NS + row * 1_000_000_000, cols))


def rows_of(taos: TaosUnderTest, database: str, sql: str) -> list[list[object]]:
    driver = taos.connect(database)
    try:
        return [list(row) for row in driver.query(sql).rows]
    finally:
        driver.close()


def count(taos: TaosUnderTest, database: str) -> int:
    with suppress(TaosError):
        return int(rows_of(taos, database, "SELECT COUNT(*) FROM stb")[0][0])  # type: ignore[call-overload] # a count
    return 0


def letters(kafka: KafkaUnderTest, topic: str) -> list[DeadLetterInfo]:
    found_letters = [DeadLetterInfo.decode(m.headers()) for m in read_all(kafka.bootstrap, f"{topic}.dlq")]
    return [info for info in found_letters if info is not None]


def test_both_codecs_are_stored_and_committed(
    kafka: KafkaUnderTest, taos: TaosUnderTest, database: str
) -> None:
    """MessagePack and JSON in one topic, values as they were, and the whole topic committed on SIGTERM."""
    topic = make_topics(kafka)
    values = [
        reading("d1", 1, 1.5, 7, True, "a'b\\c\"`;--"),
        encode_json(Record("d2", START_NS, (2, 3, False, "ü🚀"))),
    ]
    produce(kafka.bootstrap, topic, values, partition=0)
    with consumer(arguments(kafka, topic, uri(taos, database))) as process:
        process.until(lambda: count(taos, database) == 2)
        assert process.stop(signal.SIGTERM) == 0, process.last_words()
    assert committed(kafka.bootstrap, topic, topic)[0] == 2
    assert rows_of(taos, database, "SELECT col0, col1, col2, col3 FROM d1") == [
        [1.5, 7.0, True, "a'b\\c\"`;--"]
    ]
    assert process.events["consumer.stopped"]["exit_code"] == 0


def test_every_broken_record_is_dead_lettered_and_its_neighbours_are_stored(
    kafka: KafkaUnderTest, taos: TaosUnderTest, database: str
) -> None:
    """Each kind ends as one letter with a reason and its origin; the readings around it are all stored."""
    topic = make_topics(kafka, partitions=1)
    values, broken = [], {}
    for row, (kind, make) in enumerate(KINDS.items()):
        values.append(reading("good", row, 1.0, "x"))
        broken[len(values)] = kind
        values.append(make("bad", START_NS, (1.0, "x")))
    values.append(reading("good", len(KINDS), 1.0, "x"))
    produce(kafka.bootstrap, topic, values, partition=0)
    with consumer(arguments(kafka, topic, uri(taos, database))) as process:
        process.until(lambda: count(taos, database) == len(KINDS) + 1)
        process.until(lambda: committed(kafka.bootstrap, topic, topic).get(0) == len(values))
    found_letters = letters(kafka, topic)
    assert sorted(letter.offset for letter in found_letters) == sorted(broken)
    assert all(letter.reason and letter.topic == topic and letter.partition == 0 for letter in found_letters)


GOOD_NAMES = ["it's", 'say "hi"', "a;drop table stb;--", "🚀漢", "x" * 192, "-1", " "]
BAD_NAMES = ["a.b", "a`b", "", "x" * 300, "nul\0"]


def test_device_names(kafka: KafkaUnderTest, taos: TaosUnderTest, database: str) -> None:
    """A name that TDengine takes is stored as it is; any other costs its own record, and nothing is executed."""
    topic = make_topics(kafka, partitions=1)
    values = [reading(name, row, 1.0) for row, name in enumerate([*GOOD_NAMES, *BAD_NAMES, "last"])]
    produce(kafka.bootstrap, topic, values, partition=0)
    with consumer(arguments(kafka, topic, uri(taos, database))) as process:
        process.until(lambda: committed(kafka.bootstrap, topic, topic).get(0) == len(values))
    devices = {row[0] for row in rows_of(taos, database, "SELECT DISTINCT device FROM stb")}
    assert devices == {*GOOD_NAMES, "last"}
    assert [letter.reason for letter in letters(kafka, topic)] == ["bad_device"] * len(BAD_NAMES)


def test_a_record_above_the_statement_limit_is_a_dead_letter(
    kafka: KafkaUnderTest, taos: TaosUnderTest, database: str
) -> None:
    """2 MB of text fit into no statement: dead-lettered as too large, its neighbours are stored."""
    topic = make_topics(kafka, partitions=1, config={"max.message.bytes": str(4 * MB)})
    values = [reading("d", 1, "a"), reading("d", 2, "x" * 2 * MB), reading("d", 3, "b")]
    produce(kafka.bootstrap, topic, values, partition=0)
    with consumer(arguments(kafka, topic, uri(taos, database))) as process:
        process.until(lambda: committed(kafka.bootstrap, topic, topic).get(0) == 3)
    assert count(taos, database) == 2
    assert [(letter.reason, letter.offset) for letter in letters(kafka, topic)] == [("too_large", 1)]


def test_a_topic_that_is_missing_is_waited_for(
    kafka: KafkaUnderTest, taos: TaosUnderTest, database: str
) -> None:
    """It says that the topic is not there, and reads it once it is."""
    if not kafka.real:
        pytest.skip("the mock cluster creates every topic that is asked for")
    topic = unique("later")
    more = {"kafka__group_protocol": "classic"}
    with consumer(arguments(kafka, topic, uri(taos, database), **more)) as process:
        process.event("kafka.topic_missing")
        kafka.create_topic(topic, 1)
        produce(kafka.bootstrap, topic, [reading("d", 1, 1.0)], partition=0)
        process.until(lambda: count(taos, database) == 1)


def test_a_database_that_is_down_at_start_is_waited_for(kafka: KafkaUnderTest, tmp_path: Path) -> None:
    """Nothing is lost or dead-lettered, and writing begins when it answers."""
    topic = make_topics(kafka, partitions=1)
    produce(kafka.bootstrap, topic, [reading("d", row, 1.0) for row in range(100)], partition=0)
    [port] = free_ports(1)
    with consumer(arguments(kafka, topic, f"http://root:taosdata@127.0.0.1:{port}/late")) as process:
        process.event("taos.not_ready")
        process.event("write.waiting")
        with running(f"127.0.0.1:{port}", tmp_path / "late.db"):
            process.event("write.resumed")
            process.until(lambda: committed(kafka.bootstrap, topic, topic).get(0) == 100)
            assert process.stop(signal.SIGTERM) == 0
    assert letters(kafka, topic) == []


def test_a_wrong_password_is_one_clear_line(kafka: KafkaUnderTest, taos: TaosUnderTest) -> None:
    """It would never mend itself: exit 1 at once, with what is wrong, and without the password."""
    where = taos.address
    address = f"http://{where.user}:not-the-password@{where.host}:{where.port}/x"
    with consumer(arguments(kafka, make_topics(kafka), address)) as process:
        assert process.ended() == 1
    reason = process.events["consumer.not_started"]["reason"]
    assert "0x0357" in reason
    assert "not-the-password" not in "".join(process.tail)


def test_no_permission_to_create_says_which_ddl_to_run(
    kafka: KafkaUnderTest, taos: TaosUnderTest, database: str
) -> None:
    """Without schema.create the rows wait, and the log holds the statement for the operator."""
    topic = make_topics(kafka, partitions=1)
    produce(kafka.bootstrap, topic, [reading("d", 1, 1.0)], partition=0)
    settings = arguments(kafka, topic, uri(taos, database)) | {"schema.create": "false"}
    with consumer(settings) as process:
        cause = process.event("write.waiting")["cause"]
        ddl = cause[cause.index("CREATE STABLE") :].split(";")[0].rsplit(" (nothing is lost", 1)[0]
        driver = taos.connect(database)
        driver.execute(ddl)
        driver.close()
        process.until(lambda: count(taos, database) == 1)


def test_a_broker_that_is_down_at_start_is_waited_for(taos: TaosUnderTest, database: str) -> None:
    """It says so once, stays up, and stops within its deadline."""
    [port] = free_ports(1)
    settings = {"kafka.brokers": f"127.0.0.1:{port}", "taosuri": uri(taos, database), "stop.deadline": "5s"}
    with consumer(settings) as process:
        process.event("kafka.brokers_down")
        begun = time.monotonic()
        assert process.stop(signal.SIGTERM) == 0
        assert time.monotonic() - begun < 10


def test_old_names_still_work(kafka: KafkaUnderTest, taos: TaosUnderTest, database: str) -> None:
    """Flags as the Go consumer took them, single dash included."""
    topic = make_topics(kafka, partitions=4)
    values = [reading(f"d{i}", i, 1.0) for i in range(20)]
    for i, value in enumerate(values):
        produce(kafka.bootstrap, topic, [value], partition=partition(f"d{i}", 4))
    old = {
        "kafka.version": "2.8.0",
        "broker.type": "kafka",
        "kafka.offset": "-2",
        "max.batch.size": "100",
        "min.batch.size": "1",
        "max.queue.size": "1000",
        "linger.time": "200ms",
        "worker": "2",
    }
    with consumer(arguments(kafka, topic, uri(taos, database)) | old) as process:
        process.until(lambda: count(taos, database) == 20)


def test_names_are_folded_where_asked(kafka: KafkaUnderTest, taos: TaosUnderTest, database: str) -> None:
    """names.case lower writes into the tables that the old consumer made."""
    driver = taos.connect(database)
    driver.execute("create stable stb (ts timestamp, col0 double) tags (device varchar(64))")
    driver.execute("insert into Pump7 using stb tags ('Pump7') (ts, col0) values (1735689600000, 0)")
    driver.close()
    topic = make_topics(kafka, partitions=1)
    produce(kafka.bootstrap, topic, [reading("Pump7", 1, 1.0)], partition=0)
    with consumer(arguments(kafka, topic, uri(taos, database), names__case="lower")) as process:
        process.until(lambda: count(taos, database) == 2)
    assert rows_of(taos, database, "show tables") == [["pump7"]]

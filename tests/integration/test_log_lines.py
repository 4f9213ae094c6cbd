"""The log of real processes: where a line's records stand, and no value of a record in any line."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ingress_process import SocketDevice
from support.kafka_broker import KafkaUnderTest, free_ports
from support.kafka_data import produce
from support.log_rig import MARK, consumer_of, gateway_of, new_topic
from support.logged import Logged, logged

from taosbatch.encoding import Reason
from taosink.embedded.database.server import running
from taosink.records.record import Record, encode_msgpack
from taosink.simulator.poison import KINDS, pack
from taosink.taos.address import parse
from taosink.taos.options import DriverOptions
from taosink.taos.rest import RestDriver

START_NS = 1_735_689_600_000_000_000
NUMBER = 190283746.5


@pytest.fixture
def topic(kafka: KafkaUnderTest) -> str:
    return new_topic(kafka)


@pytest.fixture
def database() -> Iterator[str]:
    """Its address, as a consumer's."""
    with running() as url:
        yield url.replace("http://", "http://root:taosdata@") + "/plant"


def reading(device: str, row: int, *cols: bool | int | float | str | None) -> bytes:
    return encode_msgpack(Record(device, START_NS + row * 1_000_000_000, cols))


def marked() -> list[bytes]:
    """Every kind of broken record, with values that are found again in any text."""
    broken = [make("marked-device", START_NS, [MARK, NUMBER]) for make in KINDS.values()]
    more = [MARK.encode(), pack(MARK), pack([MARK]), pack({"DeviceID": "d", MARK: NUMBER})]
    return [*broken, *more, pack({"DeviceID": "d", "Timestamp": MARK, "Cols": [MARK]})]


def test_a_line_about_a_batch_names_its_offsets(kafka: KafkaUnderTest, topic: str, tmp_path: Path) -> None:
    """While the database is away, and when writing goes on: topic, partition, first and last offset."""
    [number] = free_ports(1)
    address = f"http://root:taosdata@127.0.0.1:{number}/plant"
    produce(kafka.bootstrap, topic, [reading("d1", n, 1.5) for n in range(100)], partition=1)
    with logged(tmp_path, "consumer", consumer_of(kafka, topic, address), level="info") as process:
        places = process.line("write.waiting")["chunks"]
        assert places, process.text
        for place in places:
            lane, _, offsets = place.partition(":")
            first, _, last = offsets.partition("-")
            assert lane == f"{topic}/1"
            assert 0 <= int(first) <= int(last or first) < 100
        with running(f"127.0.0.1:{number}"):
            assert process.line("write.resumed")["chunks"][0].startswith(f"{topic}/1:")
            created = process.line("taos.supertable_created")
            assert created["chunks"][0].startswith(f"{topic}/1:0")
        assert process.line("kafka.assigned")["which"] == [f"{topic}/0-1"]


def test_no_value_of_a_record_stands_in_the_log(
    kafka: KafkaUnderTest, topic: str, database: str, tmp_path: Path
) -> None:
    """Of no kind of broken record, at no level; the lines about them name topic, partition, offset and reason."""
    values = [reading("d1", 0, MARK, NUMBER), *marked()]
    produce(kafka.bootstrap, topic, values, partition=0)
    with logged(tmp_path, "consumer", consumer_of(kafka, topic, database)) as process:
        letters = len(values) - 1
        process.until(lambda: _dead_lettered(process) == letters, f"{letters} letters")
        assert process.stop() == 0
    assert MARK not in process.text
    assert str(int(NUMBER)) not in process.text
    told = process.lines("dead_letters.letter")
    assert {line["reason"] for line in told} >= {Reason.MALFORMED, Reason.SHAPE, Reason.DEVICE, Reason.VALUE}
    for line in told:
        assert (line["topic"], line["partition"], line["to"]) == (topic, 0, f"{topic}.dlq")
        assert 0 < line["offset"] < len(values)
        assert line["level"] == "warning"


def _dead_lettered(process: Logged) -> int:
    stats = process.lines("consumer.stats")
    return int(stats[-1]["dead_lettered"]) if stats else 0


def test_what_the_database_quotes_of_a_row_stands_in_no_line(
    kafka: KafkaUnderTest, topic: str, database: str, tmp_path: Path
) -> None:
    """It refuses a value in the middle of a batch, and says which; the dead letter has that, the log has not."""
    address = parse(database.rpartition("/")[0])
    driver = RestDriver(address, DriverOptions())
    driver.execute("CREATE DATABASE plant")
    driver.execute(
        "CREATE STABLE plant.stb (ts TIMESTAMP, col0 BOOL, col1 TIMESTAMP) TAGS (device NCHAR(64))"
    )
    driver.close()
    rows = [reading("d1", n, True, MARK if n == 50 else None) for n in range(100)]
    produce(kafka.bootstrap, topic, rows, partition=0)
    with logged(
        tmp_path, "consumer", {**consumer_of(kafka, topic, database), "values.lossy": "allow"}
    ) as process:
        process.until(lambda: _dead_lettered(process) == 1, "a letter")
        assert process.stop() == 0
    line = process.line("dead_letters.letter")
    assert (line["partition"], line["offset"]) == (0, 50)
    assert MARK not in process.text


def test_a_devices_request_is_found_again_at_the_consumer(
    kafka: KafkaUnderTest, topic: str, database: str, tmp_path: Path
) -> None:
    """The gateway's lines and the dead letter's name the same connection and request; the letter's the offset."""
    answers = {"ingress.replies": "true", "ingress.response-topic": f"{topic}.answers"}
    with (
        logged(tmp_path, "ingress", gateway_of(kafka, topic)) as ingress,
        logged(tmp_path, "consumer", {**consumer_of(kafka, topic, database), **answers}) as process,
    ):
        host, _, number = str(ingress.line("ingress.listening")["tcp"]).rpartition(":")
        with SocketDevice((host, int(number))) as device:
            told = device.connect("marked-device")
            # No table takes an integer of 2**53 + 1 as it is: DOUBLE would change it.
            bad = {"Timestamp": "2026-01-31T08:00:00Z", "Cols": [2**53 + 1, MARK]}
            assert device.ask("data", uid="u-1", data=bad, ack="stored")["status"] == "rejected"
            assert device.ask("data", uid="u-2", data={"Cols": [MARK]})["status"] != "ok"
            assert device.ask("batch", uid="u-3", data={MARK: MARK})["status"] != "ok"
        letter = process.line("dead_letters.letter")
        refused = ingress.line("ingress.request_ended")
        ingress.until(lambda: ingress.lines("ingress.closed"), "a close")
    who = {"connection": told["clientId"], "device": "marked-device"}
    assert letter | {**who, "uid": "u-1", "topic": topic} == letter
    assert isinstance(letter["offset"], int)
    assert refused | {**who, "uid": "u-1", "status": "rejected", "action": "data"} == refused
    assert [line["uid"] for line in ingress.lines("ingress.request_refused")] == ["u-2", "u-3"]
    for event in ("ingress.connected", "ingress.request_refused", "ingress.closed"):
        assert ingress.line(event) | who == ingress.line(event)
    for text in (ingress.text, process.text):
        assert MARK not in text
        assert str(2**53 + 1) not in text

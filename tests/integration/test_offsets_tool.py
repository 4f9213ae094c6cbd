"""`taosink offsets show|reset` on the broker of this session."""

import json
import time
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from support.consumer_process import consumer
from support.kafka_broker import KafkaUnderTest, free_ports
from support.kafka_data import commit, committed_with_metadata, produce, unique
from support.mock_cluster import MockKafka

from taosink.embedded.database.server import running
from taosink.kafka.commit_metadata import decode
from taosink.records.record import Record, encode_msgpack
from taosink_cli import offsets
from taosink_cli.main import Call

pytestmark = pytest.mark.kafka


class Runner:
    """Runs `taosink offsets`; the last run's output stays in `out` and `err`."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, command: str, bootstrap: str, topic: str, *flags: str) -> int:
        self._capsys.readouterr()
        arguments = ["--kafka.brokers", bootstrap, "--topic", topic, *flags]
        code = offsets.main(arguments, Call(f"offsets {command}", "", own_process=False))
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, command: str, bootstrap: str, topic: str, *flags: str) -> dict[str, Any]:
        assert self(command, bootstrap, topic, *flags, "--json") == 0, self.err
        found: dict[str, Any] = json.loads(self.out)
        return found


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capsys)


@pytest.fixture
def topic(real_kafka: KafkaUnderTest) -> str:
    """Two partitions: ten records stamped at 1 s to 10 s in the first, none in the second."""
    name = unique("offsets")
    real_kafka.create_topic(name, 2)
    for second in range(1, 11):
        produce(real_kafka.bootstrap, name, [b"x"], partition=0, timestamp=second * 1000)
    return name


def column(found: dict[str, Any], name: str) -> list[Any]:
    return [p[name] for p in found["partitions"]]


def test_show_tells_every_partition(real_kafka: KafkaUnderTest, run: Runner, topic: str) -> None:
    """Committed, low, high and lag, and that nobody is in the group; as a table too."""
    commit(real_kafka.bootstrap, topic, [TopicPartition(topic, 0, 4)])
    found = run.json("show", real_kafka.bootstrap, topic)
    assert (found["group"], found["members"], found["lag"]) == (topic, 0, 6)
    assert column(found, "committed") == [4, None]
    assert column(found, "low") == [0, 0]
    assert column(found, "high") == [10, 0]
    assert column(found, "lag") == [6, None]
    assert column(found, "note") == [
        "committed by another program",
        "nothing committed: starts at kafka.offset",
    ]
    assert run("show", real_kafka.bootstrap, topic, "--partition", "0") == 0
    assert "committed by another program" in run.out
    assert "lag 6" in run.out


def test_a_reset_is_told_first_and_done_with_yes(real_kafka: KafkaUnderTest, run: Runner, topic: str) -> None:
    """The dry run changes nothing; done, offsets carry the topic's id and partition count."""
    told = run.json("reset", real_kafka.bootstrap, topic, "--to", "7")
    assert (told["done"], column(told, "to")) == (False, [7, 0])
    assert column(told, "remark") == ["", "7 is not there yet: the end"]
    assert committed_with_metadata(real_kafka.bootstrap, topic, topic) == {}
    assert run.json("reset", real_kafka.bootstrap, topic, "--to", "7", "--yes")["done"] is True
    found = committed_with_metadata(real_kafka.bootstrap, topic, topic)
    assert {p: offset for p, (offset, _) in found.items()} == {0: 7, 1: 0}
    stamps = [decode(metadata) for _, metadata in found.values()]
    assert all(s is not None and s.topic_id and s.partitions == 2 for s in stamps)


@pytest.mark.parametrize(
    ("to", "offset"),
    [("earliest", 0), ("latest", 10), ("-1", 10), ("1970-01-01T00:00:06Z", 5), ("2100-01-01T00:00:00Z", 10)],
)
def test_targets(real_kafka: KafkaUnderTest, run: Runner, topic: str, to: str, offset: int) -> None:
    """Each word of kafka.offset means the same here; a time is the first record stamped then or later."""
    assert run("reset", real_kafka.bootstrap, topic, "--to", to, "--partition", "0", "--yes") == 0, run.err
    found = committed_with_metadata(real_kafka.bootstrap, topic, topic)
    assert {p: o for p, (o, _) in found.items()} == {0: offset}


def test_a_reset_of_a_group_with_members_is_refused(real_kafka: KafkaUnderTest, run: Runner) -> None:
    """While a consumer runs nothing is set, and one line says whom to stop; after it a consumer goes on there."""
    topic = unique("offsets")
    real_kafka.create_topic(topic, 1)
    real_kafka.create_topic(f"{topic}.dlq", 1)
    values = [encode_msgpack(Record("d", 1_735_689_600_000_000_000 + i * 10**9, (1.0,))) for i in range(5)]
    produce(real_kafka.bootstrap, topic, values, partition=0)
    with running() as url:
        arguments = {
            "kafka.brokers": real_kafka.bootstrap,
            "topic": topic,
            "taosuri": f"{url}/test",
            "schema.create": "true",
            "until-idle": "false",
        }
        with consumer(arguments) as process:
            process.until(lambda: process.stored == 5)
            assert run("reset", real_kafka.bootstrap, topic, "--to", "earliest", "--yes") == 1
            assert "1 member (" in run.err
            assert "stop them first" in run.err
            assert run("reset", real_kafka.bootstrap, topic, "--to", "earliest") == 0
            assert "WARNING: the group has members" in run.out
            process.until(lambda: run.json("show", real_kafka.bootstrap, topic)["lag"] == 0)
        assert run("reset", real_kafka.bootstrap, topic, "--to", "3", "--yes") == 0, run.err
        with consumer(arguments | {"until-idle": "true"}) as process:
            assert process.ended() == 0, process.last_words()
            assert process.events["consumer.stopped"]["stored"] == 2


def test_what_is_not_there_is_one_line(real_kafka: KafkaUnderTest, run: Runner, topic: str) -> None:
    """A topic, a partition, a target; nothing is made by asking."""
    for flags, words in (
        (("--to", "earliest", "--partition", "9"), "there is no partition 9: the last one is 1"),
        ((), "--to is missing"),
    ):
        assert run("reset", real_kafka.bootstrap, topic, *flags) == 1
        assert words in run.err
        assert len(run.err.splitlines()) == 1
    assert run("show", real_kafka.bootstrap, f"{topic}-none") == 1
    assert "does not exist" in run.err


def test_the_embedded_broker_says_at_once_what_it_cannot(run: Runner) -> None:
    """It does not tell who is in a group: offsets are shown all the same, and a reset is refused in a second."""
    mock = MockKafka()
    try:
        mock.create_topic("t", 1)
        produce(mock.bootstrap, "t", [b"x"] * 3)
        began = time.monotonic()
        assert run.json("show", mock.bootstrap, "t")["members"] is None
        assert run("reset", mock.bootstrap, "t", "--to", "latest", "--yes") == 1
        assert time.monotonic() - began < 2
        assert "not supported by this broker" in run.err
        assert committed_with_metadata(mock.bootstrap, "t", "t") == {}
    finally:
        mock.close()


def test_nobody_at_the_address_is_named(run: Runner) -> None:
    """A closed port, and an HTTP server where a broker should be."""
    (closed,) = free_ports(1)
    assert run("show", f"127.0.0.1:{closed}", "t") == 1
    assert f"nothing listens at 127.0.0.1:{closed}" in run.err
    assert len(run.err.splitlines()) == 1

"""`taosink send` and `taosink tail` on a broker."""

import io
import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from support.kafka_broker import KafkaUnderTest, free_ports
from support.kafka_data import produce, read_all, unique
from support.mock_cluster import MockKafka
from support.topic_faults import add_partitions

from taosbatch.fnv import partition
from taosink.kafka.topic_reader import TopicMissingError
from taosink.kafka.topic_tail import TopicTail
from taosink.messages.shown import Found
from taosink.messages.starts import parse_from
from taosink.messages.tail import messages
from taosink.records.record import Record, decode, encode_msgpack
from taosink.settings.tail import TailGroup
from taosink_cli import send, tail
from taosink_cli.main import Call, main

RECORD = Record("pump-1", 1_735_689_600_000_000_001, [1, "x"])


@pytest.fixture(scope="module")
def mock() -> Iterator[MockKafka]:
    found = MockKafka()
    yield found
    found.close()


class Tools:
    """Runs both commands on one broker and topic; what was said last stays in `out` and `err`."""

    def __init__(
        self, kafka: KafkaUnderTest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.kafka, self._capsys, self._monkeypatch = kafka, capsys, monkeypatch
        self.address = kafka.bootstrap
        self.topic = unique("messages")
        self.out = self.err = ""

    def make(self, partitions: int = 3) -> "Tools":
        self.kafka.create_topic(self.topic, partitions)
        return self

    def send(self, *flags: str, stdin: bytes = b"", topic: str = "") -> int:
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        arguments = ["--topic", topic or self.topic, "--kafka.brokers", self.address]
        arguments += ["--flush-every", "10ms", *flags]
        return self._run(send.main, arguments, "send")

    def tail(self, *flags: str, topic: str = "") -> int:
        arguments = [topic or self.topic, "--kafka.brokers", self.address, *flags]
        return self._run(tail.main, arguments, "tail")

    def shown(self, *flags: str) -> list[dict[str, Any]]:
        assert self.tail("--json", *flags) == 0, self.err
        return [json.loads(line) for line in self.out.splitlines()]

    def _run(self, command: Any, arguments: list[str], name: str) -> int:
        self._capsys.readouterr()
        try:
            code = command(arguments, Call(name, "", own_process=False))
        except SystemExit as end:
            code = end.code
        self.out, self.err = self._capsys.readouterr()
        return int(code)

    @property
    def properties(self) -> Mapping[str, Any]:
        return {"bootstrap.servers": self.kafka.bootstrap}


@pytest.fixture
def tools(mock: MockKafka, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tools:
    return Tools(mock, capsys, monkeypatch)


@pytest.fixture
def real_tools(
    real_kafka: KafkaUnderTest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Tools:
    return Tools(real_kafka, capsys, monkeypatch)


@pytest.fixture
def free_address() -> str:
    return f"127.0.0.1:{free_ports(1)[0]}"


def test_one_message_is_sent_and_reported(tools: Tools) -> None:
    """With its key, headers and the partition that the key comes to."""
    tools.make()
    flags = ["--key", "pump-1", "--header", "a=1,2", "--header", "b=x=y", "--compression", "gzip"]
    assert tools.send("--message", "hello", *flags) == 0
    expected = partition("pump-1", 3)
    assert tools.out == f"{tools.topic} {expected} 0\n"
    assert tools.err == ""
    (message,) = read_all(tools.kafka.bootstrap, tools.topic)
    assert (message.partition(), message.key(), message.value()) == (expected, b"pump-1", b"hello")
    assert message.headers() == [("a", b"1,2"), ("b", b"x=y")]


def test_an_empty_message_is_sent_and_standard_input_is_not_read(tools: Tools) -> None:
    """It was given: a script whose variable is empty does not hang, and does not send what it happens to be fed."""
    tools.make(1)
    assert tools.send("--message", "", "--key", "k", stdin=b"not this\n") == 0
    (message,) = read_all(tools.kafka.bootstrap, tools.topic)
    assert (message.key(), message.value() or b"") == (b"k", b"")


def test_standard_input_is_a_message_a_line(tools: Tools) -> None:
    """Each with its own report, in the order of its partition; or all of it one message."""
    tools.make()
    assert tools.send("--partitioner", "manual", "--partition", "2", stdin=b"a\n\nb\r\n\xff\n") == 0
    assert tools.out.splitlines() == [f"{tools.topic} 2 {offset}" for offset in range(3)]
    assert [m.value() for m in read_all(tools.kafka.bootstrap, tools.topic)] == [b"a", b"b", b"\xff"]
    assert tools.send("--whole", "--partitioner", "manual", "--partition", "0", stdin=b"a\nb\n") == 0
    assert read_all(tools.kafka.bootstrap, tools.topic)[0].value() == b"a\nb\n"


def test_a_file_and_random_partitions(tools: Tools, tmp_path: Path) -> None:
    """A file is one message, whatever is in it."""
    tools.make()
    path = tmp_path / "message"
    path.write_bytes(b"\x00\n\xff")
    for _ in range(2):
        assert tools.send("--message-file", str(path), "--partitioner", "random", "--key", "k") == 0
    assert [m.value() for m in read_all(tools.kafka.bootstrap, tools.topic)] == [b"\x00\n\xff"] * 2


def test_records_in_json_become_the_products_own(tools: Tools) -> None:
    """A line that is no record is told; the others are sent, and the exit code says that not all were."""
    tools.make()
    line = b'{"DeviceID":"pump-1","Timestamp":"2025-01-01T00:00:00.000000001Z","Cols":[1,"x"]}\n'
    assert tools.send("--json-record", stdin=line + b'{"DeviceID":"pump-2"}\n' + line) == 1
    assert "message 2 was not sent: is no record: bad_shape: Timestamp is missing" in tools.err
    assert "2 of 3 messages were delivered" in tools.err
    sent = read_all(tools.kafka.bootstrap, tools.topic)
    assert [decode(m.value() or b"") for m in sent] == [RECORD] * 2
    assert {m.partition() for m in sent} == {partition("pump-1", 3)}


def test_a_message_that_is_too_large_is_told_and_the_next_is_sent(tools: Tools) -> None:
    """One bad message costs one message."""
    tools.make(1)
    assert tools.send("--kafka.properties", "message.max.bytes=2000", stdin=b"x" * 3000 + b"\nfine\n") == 1
    assert "message 1 was not sent" in tools.err
    assert tools.out == f"{tools.topic} 0 0\n"


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_each_kind_of_acknowledgement_works(tools: Tools, acks: str) -> None:
    """Where nobody acknowledges, nobody knows the offset."""
    tools.make(1)
    assert tools.send("--message", "hello", "--acks", acks) == 0
    assert tools.out.split()[:2] == [tools.topic, "0"]
    assert tools.out.split()[2] == ("-" if acks == "0" else "0")


def test_a_misspelt_topic_is_not_made(tools: Tools) -> None:
    """Both commands name the nearest; neither makes it."""
    tools.make()
    wrong = tools.topic.replace("messages", "mesages")
    assert tools.send("--message", "x", topic=wrong) == 1
    assert tools.err.splitlines() == [
        f"taosink send: there is no topic {wrong!r}; the nearest is {tools.topic!r} (--create makes it)"
    ]
    assert tools.tail(topic=wrong) == 1
    assert tools.err.splitlines() == [
        f"taosink tail: there is no topic {wrong!r}; the nearest is {tools.topic!r}"
    ]
    assert tools.send("--message", "x", "--partitioner", "manual", "--partition", "7") == 1
    assert "has partitions 0 to 2, and none with number 7" in tools.err


def test_no_broker_is_one_line(tools: Tools, free_address: str) -> None:
    """In the time that it was given, with the reason."""
    tools.address = free_address
    assert tools.tail("--timeout", "500ms") == 1
    assert tools.err.startswith("taosink tail: no broker answers: ")
    assert len(tools.err.splitlines()) == 1
    assert tools.send("--message", "x", "--timeout", "600ms") == 1
    assert tools.err.startswith("taosink send: no broker answers: ")
    assert len(tools.err.splitlines()) == 1


def test_a_topic_is_shown_from_any_place(tools: Tools) -> None:
    """The last ones of each partition, all, from an offset or a time, and no more than are asked for."""
    tools.make(2)
    start = 1_735_689_600_000
    for at in range(5):
        produce(tools.kafka.bootstrap, tools.topic, [b"m%d" % at], partition=0, timestamp=start + at * 1000)
    produce(tools.kafka.bootstrap, tools.topic, [b"other"], partition=1, timestamp=start)

    def values(*flags: str) -> list[str]:
        return sorted(message["value"] for message in tools.shown(*flags))

    assert values() == values("--from", "earliest") == ["m0", "m1", "m2", "m3", "m4", "other"]
    assert values("--from", "-2") == ["m3", "m4", "other"]
    assert values("--from", "4") == ["m4"]
    assert len(values("--from", "earliest", "--count", "3")) == 3
    if tools.kafka.real:
        assert values("--from", "2025-01-01T00:00:03Z") == ["m3", "m4"]


def test_what_is_shown_can_be_read(tools: Tools) -> None:
    """A record in MessagePack, for people and for programs."""
    tools.make(1)
    produce(tools.kafka.bootstrap, tools.topic, [encode_msgpack(RECORD), b"\x1b[2J\n", None])
    assert tools.tail() == 0
    lines = tools.out.splitlines()
    assert len(lines) == 3
    assert '"Timestamp": "2025-01-01T00:00:00.000000001Z"' in lines[0]
    assert lines[1].endswith("\\x1b[2J\\n")
    assert lines[2].endswith("(null)")
    assert [m["form"] for m in tools.shown()] == ["msgpack", "text", "null"]


class Following:
    """`tail --follow` in a thread of its own; what it showed and said."""

    def __init__(self, tools: Tools, begin: str, count: int) -> None:
        self.found: list[Found] = []
        self.said: list[str] = []
        self._group = TailGroup(topic=tools.topic, begin=parse_from(begin), follow=True)  # type: ignore[arg-type]
        self._tools, self._count = tools, count
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        stream = messages(self._tools.properties, self._group, self.said.append)
        for found in islice(stream, self._count):
            self.found.append(found)
        stream.close()  # type: ignore[attr-defined]  # a generator

    def wait_for(self, *, found: int = 0, said: int = 0) -> None:
        deadline = time.monotonic() + 20
        while len(self.found) < found or len(self.said) < said:
            assert time.monotonic() < deadline, (self.found, self.said)
            time.sleep(0.01)

    def join(self) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()


def test_a_topic_is_followed_through_an_outage() -> None:
    """What comes is shown; that no broker answers is said once, and cleared once."""
    kafka = MockKafka()
    tools = Tools(kafka, None, None)  # type: ignore[arg-type]  # no command is run
    following = None
    try:
        tools.make(2)
        produce(kafka.bootstrap, tools.topic, [b"before"], partition=0)
        following = Following(tools, "-10", 3)
        following.wait_for(found=1)
        produce(kafka.bootstrap, tools.topic, [b"after"], partition=1)
        following.wait_for(found=2)
        assert following.said == []
        kafka.stop()
        following.wait_for(said=1)
        kafka.start()
        following.wait_for(said=2)
        produce(kafka.bootstrap, tools.topic, [b"last"], partition=0)
        following.wait_for(found=3)
    finally:
        if following is not None:
            kafka.start()
            produce(kafka.bootstrap, tools.topic, [b"end"] * 3, partition=0)
            following.join()
        kafka.close()
    assert [m.value for m in following.found] == [b"before", b"after", b"last"]
    assert bool(following.said[0])
    assert following.said[1] == ""
    assert len(following.said) == 2


def test_a_topic_that_is_not_there_ends_at_once(mock: MockKafka) -> None:
    """Also where it was to be followed."""
    tail = TailGroup(topic="nowhere", follow=True)
    with pytest.raises(TopicMissingError):
        list(messages({"bootstrap.servers": mock.bootstrap}, tail, lambda _: None))


def test_the_commands_are_found(tools: Tools, capsys: pytest.CaptureFixture[str]) -> None:
    """By the program's own command line."""
    tools.make(1)
    assert main(["send", "--help"]) == 0
    assert main(["tail", "--help"]) == 0
    assert main(["tail", tools.topic, "--kafka.brokers", tools.kafka.bootstrap]) == 0
    assert "--partitioner" in capsys.readouterr().out


@pytest.mark.kafka
def test_messages_go_there_and_back(real_tools: Tools) -> None:
    """On a real broker, created by the sender, with every compression and kind of acknowledgement."""
    tools = real_tools
    for index, (compression, acks) in enumerate(
        [("none", "all"), ("gzip", "1"), ("snappy", "all"), ("lz4", "0"), ("zstd", "all")]
    ):
        flags = ["--create", "--key", "pump-1", "--compression", compression, "--acks", acks]
        assert tools.send("--message", f"m{index}", "--header", "h=1", *flags) == 0, tools.err
    shown = tools.shown("--from", "earliest")
    assert [m["value"] for m in shown] == ["m0", "m1", "m2", "m3", "m4"]
    assert {m["partition"] for m in shown} == {partition("pump-1", 10)}
    assert {(m["key"], tuple(map(tuple, m["headers"]))) for m in shown} == {("pump-1", (("h", "1"),))}


@pytest.mark.kafka
def test_a_real_topic_is_shown_from_a_time_and_followed(real_tools: Tools) -> None:
    """Times are answered by a real broker alone."""
    tools = real_tools
    test_a_topic_is_shown_from_any_place(tools)
    following = Following(tools, "latest", 1)
    deadline = time.monotonic() + 20
    while not following.found:
        assert time.monotonic() < deadline
        produce(tools.kafka.bootstrap, tools.topic, [b"after"], partition=1)
    following.join()
    assert [m.value for m in following.found] == [b"after"]


@pytest.mark.kafka
def test_a_partition_that_a_topic_is_given_later_is_followed_too(real_kafka: KafkaUnderTest) -> None:
    """From its beginning: what was written to it before it was seen is shown as well."""
    topic = unique("growing")
    real_kafka.create_topic(topic, 1)
    produce(real_kafka.bootstrap, topic, [b"before"], partition=0)
    properties = {"bootstrap.servers": real_kafka.bootstrap}
    found: list[bytes | None] = []
    with TopicTail(properties, topic, on_brokers=lambda _: None, look_every=0.2) as reader:
        chunks = reader.follow({0: 0})
        deadline = time.monotonic() + 20

        def follow_until(count: int) -> None:
            while len(found) < count:
                assert time.monotonic() < deadline, found
                found.extend(message.value() for message in next(chunks))

        follow_until(1)
        add_partitions(real_kafka, topic, 3)
        produce(real_kafka.bootstrap, topic, [b"first"], partition=2)
        follow_until(2)
        produce(real_kafka.bootstrap, topic, [b"old", b"older"], partition=0)
        follow_until(4)
    assert found == [b"before", b"first", b"old", b"older"]

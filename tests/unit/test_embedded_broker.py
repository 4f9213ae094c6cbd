"""The embedded broker: an address, topics as asked for, and an end."""

import ctypes.util
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # re-exported there
from support.letters import messages_of

from taosink.embedded import librdkafka
from taosink.embedded.librdkafka import BrokerFailedError, BrokerLibraryMissingError, MockCluster

PROGRAM = """
import sys
from taosink.embedded.broker import serve
lifeline = 0 if "pipe" in sys.argv else None
serve({"test": 10, "test.dlq": 1}, on_ready=lambda a: print(a, flush=True), lifeline=lifeline)
print("ended", flush=True)
"""


@contextmanager
def started(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """The broker as a process, which is gone afterwards whatever the test finds."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as found:
        try:
            yield found
        finally:
            found.kill()


@pytest.fixture(params=[(), ("pipe",)], ids=["alone", "with a lifeline"])
def process(request: pytest.FixtureRequest) -> Iterator["subprocess.Popen[str]"]:
    with started(*request.param) as found:
        yield found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_its_first_line_is_the_address_and_a_signal_ends_it(
    process: "subprocess.Popen[str]", number: signal.Signals
) -> None:
    """Topics have the partitions asked for before the address is told; the exit code is 0."""
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    topics = AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=20).topics
    assert {name: len(topic.partitions) for name, topic in topics.items()} == {"test": 10, "test.dlq": 1}
    process.send_signal(number)
    assert process.wait(20) == 0
    assert process.stdout.read() == "ended\n"


def test_a_signal_right_after_the_address_is_not_lost() -> None:
    """Whoever stops it at once need not kill it."""
    for _ in range(5):
        with started() as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.terminate()
            assert process.wait(20) == 0


def test_it_ends_with_whoever_holds_its_lifeline() -> None:
    """A demo that is killed leaves no broker behind; bytes on the pipe are no end."""
    with started("pipe") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        process.stdin.write("still here\n")
        process.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.stdin.close()
        assert process.wait(20) == 0


def test_admin_calls_are_refused_at_once() -> None:
    """A tool can say 'not supported by this broker' within a second instead of waiting for an answer."""
    with MockCluster({"test": 1}) as cluster:
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
        begun = time.monotonic()
        with pytest.raises(KafkaException) as caught:
            admin.create_topics([NewTopic("more", 3)])["more"].result(20)
        assert caught.value.args[0].code() == KafkaError._UNSUPPORTED_FEATURE
        assert time.monotonic() - begun < 1.0


def test_a_topic_that_is_asked_for_by_name_is_made() -> None:
    """The mock cluster has no switch for that: a misspelt topic is not noticed. Listing all makes none."""
    with MockCluster({"test": 1}) as cluster:
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
        assert set(admin.list_topics(timeout=20).topics) == {"test"}
        assert len(admin.list_topics("tset", timeout=20).topics["tset"].partitions) == 4
        assert set(admin.list_topics(timeout=20).topics) == {"test", "tset"}


def test_it_keeps_five_mebibytes_of_a_partition() -> None:
    """The limit that producers have to respect: older records are gone, without a word."""
    with MockCluster({"test": 1}) as cluster:
        properties = {"bootstrap.servers": cluster.bootstrap, "log_level": 0, "batch.num.messages": 10}
        producer = Producer({**properties, "linger.ms": 1})
        for n in range(120):
            producer.produce("test", b"%d." % n + b"x" * 100_000)
        assert producer.flush(20) == 0
        kept = [(m.value() or b"").split(b".")[0] for m in messages_of(cluster.bootstrap, "test")]
        assert kept[-1] == b"119"
        assert 40 <= len(kept) <= 53


def test_a_topic_that_cannot_be_made_is_named() -> None:
    """One line says which, and the broker that had started is closed again."""
    with pytest.raises(BrokerFailedError, match=r"'test'.*0"), MockCluster({"test": 0}):
        pytest.fail("it opened")
    with MockCluster({"test": 1}) as cluster, pytest.raises(BrokerFailedError, match="'test'"):
        cluster.create_topic("test", 2)
    with pytest.raises(BrokerFailedError, match="not open"):
        cluster.create_topic("late", 1)


def test_a_missing_library_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install, and what to use instead."""
    monkeypatch.setattr(librdkafka, "library_paths", lambda: iter(()))
    monkeypatch.setattr(ctypes.util, "find_library", lambda _name: None)
    with pytest.raises(BrokerLibraryMissingError) as caught:
        MockCluster({"test": 1})
    assert "confluent-kafka" in str(caught.value)
    assert "\n" not in str(caught.value)

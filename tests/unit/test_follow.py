"""A follower reads topics whole, or from now on, and goes on by itself through whatever happens to them."""

import threading
from collections.abc import Iterator, Sequence

import pytest
from support.following import Heard, follower, put

from taosink.embedded.librdkafka import MockCluster
from taosink.ports import SourceMessage


@pytest.fixture
def broker() -> Iterator[MockCluster]:
    with MockCluster({"one": 2, "two": 1}) as cluster:
        yield cluster


def test_everything_is_read_before_caught_up_is_said_and_what_comes_behind(broker: MockCluster) -> None:
    """Once, for all topics and partitions together."""
    put(broker.bootstrap, "one", b"a", b"b", partition=1)
    put(broker.bootstrap, "two", b"c")
    heard = Heard()
    reader = follower(broker.bootstrap, ["one", "two"], heard)
    heard.until(lambda: heard.caught_up_at)
    assert sorted(v or b"" for v in heard.values) == [b"a", b"b", b"c"]
    assert reader.caught_up
    put(broker.bootstrap, "one", b"d")
    heard.until(lambda: heard.values[3:] == [b"d"])
    assert heard.caught_up_at == [3]
    reader.close()
    reader.close()


def test_from_the_end_nothing_old_is_read_and_nothing_new_is_missed(broker: MockCluster) -> None:
    """Caught up means that the place is fixed: what is written right behind it comes."""
    put(broker.bootstrap, "one", b"old")
    heard = Heard()
    reader = follower(broker.bootstrap, ["one"], heard, "end")
    heard.until(lambda: heard.caught_up_at)
    put(broker.bootstrap, "one", b"new")
    put(broker.bootstrap, "one", b"new1", partition=1)
    heard.until(lambda: len(heard.values) == 2)
    assert set(heard.values) == {b"new", b"new1"}
    reader.close()


def test_an_outage_is_said_once_and_ends() -> None:
    """Nothing answers at first; the reader starts all the same, and never says that it has caught up."""
    heard = Heard()
    reader = follower("127.0.0.1:1", ["one"], heard)
    heard.until(lambda: heard.brokers)
    assert heard.caught_up_at == []
    reader.close()
    assert [bool(reason) for reason in heard.brokers] == [True]


def test_what_a_callback_raises_does_not_end_the_reading(broker: MockCluster) -> None:
    """It is a defect, and logged as one."""
    heard = Heard()
    failed = threading.Event()

    def fails_once(messages: Sequence[SourceMessage]) -> None:
        if not failed.is_set():
            failed.set()
            raise ValueError
        heard.messages(messages)

    reader = follower(broker.bootstrap, ["two"], heard, on_messages=fails_once)
    heard.until(lambda: heard.caught_up_at)
    put(broker.bootstrap, "two", b"lost")
    assert failed.wait(20)
    put(broker.bootstrap, "two", b"kept")
    heard.until(lambda: heard.values == [b"kept"])
    reader.close()

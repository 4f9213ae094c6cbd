"""From the loop into Kafka: bounded, in order, each hand-over answered once and on the loop."""

import asyncio
import threading
from collections.abc import Iterator, Mapping

import pytest
from support.letters import messages_of

from taosbatch.fnv import partition
from taosink.embedded.librdkafka import MockCluster
from taosink.ingress.broker import publishing as publishing_module
from taosink.ingress.broker.loop_queue import LoopQueue
from taosink.ingress.broker.options import BrokerOptions
from taosink.ingress.broker.publishing import RECORD_OVERHEAD, LoopPublishing, reply_headers
from taosink.ingress.ports import Reply


@pytest.fixture
def broker() -> Iterator[MockCluster]:
    with MockCluster({"readings": 4, "requests": 2, "own": 1}) as cluster:
        yield cluster


def options_for(bootstrap: str, **changes: int | float) -> BrokerOptions:
    properties = {"bootstrap.servers": bootstrap, "log_level": 0}
    return BrokerOptions(properties, "s1", "readings", requests="requests", **changes)  # type: ignore[arg-type]  # numbers


class Ended:
    """What `done` was told, and on which thread."""

    def __init__(self) -> None:
        self.told: list[dict[int, str]] = []
        self.threads: set[int] = set()

    def __call__(self, failures: Mapping[int, str]) -> None:
        self.told.append(dict(failures))
        self.threads.add(threading.get_ident())


def test_a_devices_readings_stand_in_its_partition_in_order(broker: MockCluster) -> None:
    """Those with a reply between those without, too."""
    ended = Ended()

    async def run() -> None:
        publishing = LoopPublishing(options_for(broker.bootstrap), asyncio.get_running_loop())
        publishing.partitions = 4
        for n in range(0, 40, 2):
            reply = Reply("c", n) if n % 4 else None
            assert publishing.readings("dév", [b"%d" % n, b"%d" % (n + 1)], ended, reply)
        assert publishing.request(b"{}", b"k", ended)
        assert ended.told == []
        assert await publishing.flush(20) == 0
        assert publishing.waiting == publishing.waiting_bytes == 0
        publishing.close(1)

    asyncio.run(run())
    assert ended.told == [{}] * 21
    assert ended.threads == {threading.get_ident()}
    found = messages_of(broker.bootstrap, "readings")
    assert [m.value() for m in found] == [b"%d" % n for n in range(40)]
    assert {(m.partition(), m.key()) for m in found} == {(partition("dév", 4), "dév".encode())}
    assert [m.value() for m in messages_of(broker.bootstrap, "requests")] == [b"{}"]


def test_the_bound_refuses_whole_calls_and_tells_when_there_is_room() -> None:
    """Without a broker nothing leaves: memory stays bounded, and each record ends as failed."""
    ended = Ended()
    rooms: list[int] = []

    async def run() -> None:
        publishing = LoopPublishing(
            options_for("127.0.0.1:1", max_records=10, delivery_timeout=0.5), asyncio.get_running_loop()
        )
        publishing.on_room(lambda: rooms.append(publishing.waiting))
        assert not publishing.readings("d", [b"1"], ended)
        publishing.partitions = 4
        assert rooms == [0]
        assert publishing.readings("d", [b"1"] * 6, ended)
        assert not publishing.readings("d", [b"1"] * 5, ended)
        assert publishing.request(b"1", b"k", ended)
        assert not publishing.record("readings", b"k", b"1" * (64 << 20), -1, ended)
        assert publishing.own("own", b"k", None, 0, ended)
        assert publishing.waiting == 8
        assert await publishing.flush(20) == 0
        # Once, by when half is free; whether the last records end in the same turn is the machine's affair.
        assert len(rooms) == 2
        assert rooms[1] <= 5
        publishing.close(0)

    asyncio.run(run())
    late = "_MSG_TIMED_OUT"
    assert sorted(map(len, ended.told)) == [1, 1, 6]
    assert {text for told in ended.told for text in told.values()} == {late}


def test_what_is_larger_than_the_bound_passes_alone(broker: MockCluster) -> None:
    """It would wait for ever otherwise; its bytes count with what each record costs beside its value."""
    ended = Ended()

    async def run() -> None:
        publishing = LoopPublishing(
            options_for(broker.bootstrap, max_records=2, max_bytes=300), asyncio.get_running_loop()
        )
        publishing.partitions = 4
        assert publishing.readings("d", [b"x" * 400] * 3, ended)
        assert publishing.waiting_bytes == 3 * (400 + RECORD_OVERHEAD)
        assert not publishing.readings("d", [b"x"], ended)
        assert await publishing.flush(20) == 0
        assert publishing.readings("d", [b"x"], ended)
        assert not publishing.readings("d", [b"x" * 101], ended)
        publishing.close(5)
        assert not publishing.request(b"", b"k", ended)

    asyncio.run(run())


def test_own_records_have_room_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Presence goes on to be written while devices are answered busy, and is bounded too."""
    monkeypatch.setattr(publishing_module, "OWN_RECORDS", 50)

    async def run() -> None:
        publishing = LoopPublishing(options_for("127.0.0.1:1", max_records=1), asyncio.get_running_loop())
        publishing.partitions = 1
        assert publishing.readings("d", [b"1"], Ended())
        assert not publishing.readings("d", [b"1"], Ended())
        taken = sum(publishing.own("own", b"k", b"v", 0, Ended()) for _ in range(60))
        assert taken == 50
        publishing.close(0)

    asyncio.run(run())


def test_what_a_close_gives_up_is_told() -> None:
    """Nobody waits for an answer that never comes; and one answer's defect costs the others nothing."""
    ended = Ended()

    def broken(_failures: Mapping[int, str]) -> None:
        raise ValueError

    async def run() -> None:
        publishing = LoopPublishing(options_for("127.0.0.1:1"), asyncio.get_running_loop())
        publishing.partitions = 1
        assert publishing.readings("d", [b"1"], broken)
        assert publishing.readings("d", [b"1", b"2"], ended)
        assert await publishing.flush(0.01) == 3
        assert publishing.close(0) == 3
        await asyncio.sleep(0)

    asyncio.run(run())
    assert ended.told == [{0: "_PURGE_QUEUE", 1: "_PURGE_QUEUE"}]


def test_a_uid_keeps_its_kind_in_the_headers() -> None:
    """5 and "5" are two requests."""
    headers = [
        dict(reply_headers("s", Reply("c", uid, indexed=False), 1)[0]) for uid in (5, "5", 'q"', "\ud800")
    ]
    assert [h["taosink.reply.uid"] for h in headers] == [b"5", b'"5"', b'"q\\""', b'"\xed\xa0\x80"']
    indexed = reply_headers("s", Reply("c", 1, indexed=True, ticket=12), 3)
    assert {dict(h)["taosink.reply.ticket"] for h in indexed} == {b"12"}
    assert [dict(h)["taosink.reply.index"] for h in indexed] == [b"0", b"1", b"2"]


def test_results_come_to_the_loop_many_at_a_time() -> None:
    """However many are put, one call waits in the loop; and a feeder waits for a loop that does not keep up."""
    rounds: list[list[int]] = []
    fed = threading.Event()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        queue: LoopQueue[int] = LoopQueue(loop, rounds.append, bound=10)

        def feed() -> None:
            for n in range(5):
                queue.put(n)
                queue.wake()
            queue.feed(range(5, 50))
            fed.set()

        thread = threading.Thread(target=feed)
        thread.start()
        assert not fed.wait(0.2)
        assert rounds == []
        await asyncio.to_thread(thread.join)
        queue.close()
        queue.feed([99] * 50)

    asyncio.run(run())
    assert [n for batch in rounds for n in batch] == list(range(50))
    assert len(rounds) <= 2

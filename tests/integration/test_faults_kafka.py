"""What a consumer at work does when its topic changes under it: nothing is passed over without being said."""

import random
from collections.abc import Iterator
from hashlib import sha256

import pytest
from support import topic_faults
from support.audit_rig import reading
from support.chaos.servers import proxy_to
from support.chaos.stage import DatabaseProcess, Stage
from support.consumer_process import ConsumerProcess
from support.kafka_broker import KafkaUnderTest
from support.kafka_data import committed, produce, read_all
from support.proxy import Proxy

pytestmark = pytest.mark.kafka

QUICK = "topic.metadata.refresh.interval.ms=500"
LOST, STOPPED = "kafka.lost_by_broker", "kafka.partition_stopped"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DatabaseProcess, Proxy]]:
    database = DatabaseProcess(tmp_path_factory.mktemp("kafka-faults") / "faults.db")
    try:
        with proxy_to(database.url) as proxy:
            yield database, proxy
    finally:
        database.stop()


@pytest.fixture
def stage(real_kafka: KafkaUnderTest, server: tuple[DatabaseProcess, Proxy]) -> Iterator[Stage]:
    """A topic of one partition; the database is empty."""
    found = Stage(real_kafka, *server, 1)
    yield found
    found.proxy.restore()
    found.execute("DROP DATABASE IF EXISTS faults")


def lag(process: ConsumerProcess) -> int | None:
    found = process.events.get("consumer.stats", {}).get("lag")
    return None if found is None else int(found)


def test_markers_aborted_and_compacted_records_are_no_loss(stage: Stage) -> None:
    """Offsets without records: what can be read is stored, no loss is reported, the lag ends at 0 and the
    audit finds everything accounted for."""
    kafka, topic = stage.kafka, stage.topic
    topic_faults.compacted(kafka, topic, [reading("a", n, n) for n in range(20)], reading("b", 0, 1))
    with stage.consumer() as process:
        process.until(lambda: stage.stored == 2)
        topic_faults.transactions(
            kafka,
            topic,
            (True, [reading("c", n, n) for n in range(5)]),
            (False, [reading("aborted", n, n) for n in range(5)]),
            (True, [reading("c", n, n) for n in range(5, 10)]),
        )
        end = 21 + 15 + 3
        process.until(lambda: stage.committed == end, what="a commit behind the last marker")
        process.until(lambda: lag(process) == 0, what="lag 0")
        assert process.stop() == 0
        assert LOST not in process.events
    assert stage.stored == 12
    code, report = topic_faults.audit(stage)
    assert (code, report["records"], report["missing"]) == (0, 12, 0), report
    assert stage.letters() == []


def test_retention_that_overtakes_the_reader_is_counted_and_passed(stage: Stage) -> None:
    """While the database is away the broker removes what was not read yet: the difference is said as an ERROR,
    what was read is stored all the same, and reading goes on from the low watermark."""
    with stage.consumer(max__queue__size="100", min__batch__size="1", max__batch__size="50") as process:
        stage.send(50)
        process.until(lambda: stage.committed == 50)
        stage.proxy.cut()
        stage.send(3000)
        process.until(lambda: process.events["consumer.stats"]["paused"] == 1, what="the partition paused")
        topic_faults.delete_before(stage.kafka, stage.topic, 3000)
        stage.proxy.restore()
        lost = process.event(LOST)
        assert lost["level"] == "error"
        assert lost["goes_on_from"] == 3000
        process.until(lambda: stage.committed == 3050)
        process.until(lambda: lag(process) == 0, what="lag 0")
        assert stage.stored == 3050 - lost["records_at_most"]
        stage.send(10)
        process.until(lambda: stage.committed == 3060)
    assert stage.letters() == []


def test_partitions_that_are_added_are_read_from_their_beginning(stage: Stage) -> None:
    """With kafka.offset=latest: what the new one got before the group noticed it is not skipped."""
    kafka, topic = stage.kafka, stage.topic
    produce(kafka.bootstrap, topic, [reading("old", n, n) for n in range(5)])
    with stage.consumer(kafka__offset="latest", kafka__properties=QUICK) as process:
        process.until(lambda: stage.committed == 5)
        topic_faults.add_partitions(kafka, topic, 2)
        produce(kafka.bootstrap, topic, [reading("new", n, n) for n in range(20)], partition=1)
        process.until(lambda: stage.stored == 20, what="what the new partition holds")
        process.until(lambda: committed(kafka.bootstrap, topic, topic) == {0: 5, 1: 20})
        assert process.stop() == 0


def test_a_letter_too_large_for_its_topic_goes_in_cut(stage: Stage) -> None:
    """With the size and hash of the whole, and its partition goes on."""
    topic_faults.configure(stage.kafka, f"{stage.topic}.dlq", max_message_bytes="40000")
    broken = b"\xc1" + random.Random(1).randbytes(100_000)
    with stage.consumer() as process:
        produce(stage.kafka.bootstrap, stage.topic, [broken, b"\xc1 small"])
        stage.send(10)
        process.until(lambda: stage.committed == 12)
        assert process.stop() == 0
        assert process.events["consumer.stopped"]["dead_lettered"] == 2
        assert "dead_letters.blocked" not in process.events
    small, large = sorted(stage.letters(), key=lambda letter: letter.size or 0)
    assert (large.cut, large.size, large.sha256) == ("value", len(broken), sha256(broken).hexdigest())
    assert not small.cut
    kept = max((m.value() or b"" for m in read_all(stage.kafka.bootstrap, f"{stage.topic}.dlq")), key=len)
    assert 1_000 < len(kept) < 40_000
    assert broken.startswith(kept)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_topic_made_anew_is_read_whole_or_not_gone_on_with(stage: Stage, protocol: str) -> None:
    """Deleted and created again under a member at work, and already longer than what it had committed. Where the
    group forgets its offset, all of the new one is read; where it goes on at the old offset, the topic's id tells,
    the partition stops with an ERROR, and so it does for whoever comes next."""
    new = [reading("new", n, n) for n in range(50)]
    with stage.consumer(kafka__group_protocol=protocol, kafka__properties=QUICK) as process:
        stage.send(10)
        process.until(lambda: stage.committed == 10)
        topic_faults.make_anew(stage.kafka, stage.topic, new)
        process.until(lambda: STOPPED in process.events or stage.stored == 60)
        stopped = process.events.get(STOPPED)
        process.stop()
    if stopped is None:
        assert stage.stored == 60
        return
    assert stopped["level"] == "error"
    assert "belongs to a topic of this name that was deleted" in stopped["why"]
    before = stage.stored
    with stage.consumer(kafka__group_protocol=protocol) as process:
        assert process.event(STOPPED)["partition"] == 0
        assert process.stop() == 0
    assert stage.stored == before

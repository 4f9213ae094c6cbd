"""What a running consumer says of itself where nothing goes on."""

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.consumer_process import ConsumerProcess
from support.http_asked import asked
from support.kafka_broker import free_ports
from support.kafka_data import committed, produce, unique
from support.mock_cluster import MockKafka
from support.source_rig import wait_for

from taosink.demo.child import Child
from taosink.embedded.database.server import running
from taosink.records.record import Record, encode_msgpack

TESTS = Path(__file__).parents[1]
START_NS = 1_735_689_600_000_000_000
IMPATIENT = f"""
import functools, sys
sys.path.insert(0, {str(TESTS)!r})
import taosink.status as status
import taosink.observe.status.look as look
from taosink_cli.main import main
look.WORKER_LIMIT = 1.0
status.Rule = functools.partial(status.Rule, join=2.0)
sys.exit(main(sys.argv[1:]))
"""
"""The program, which takes a worker for wedged after a second instead of five minutes, and a member that hears nothing
of partitions for idle after two instead of twenty."""


@pytest.fixture(scope="module")
def kafka() -> Iterator[MockKafka]:
    cluster = MockKafka()
    yield cluster
    cluster.close()


class Impatient(ConsumerProcess):
    def __init__(self, arguments: Mapping[str, str]) -> None:
        flags = [f"--{name}={value}" for name, value in arguments.items()]
        Child.__init__(
            self, "consumer", [sys.executable, "-c", IMPATIENT, "consumer", "--log.format=json", *flags]
        )


@contextmanager
def serving(
    program: type[ConsumerProcess], kafka: MockKafka, topic: str, address: str, **more: str
) -> Iterator[tuple[ConsumerProcess, str]]:
    settings = {
        "kafka.brokers": kafka.bootstrap,
        "topic": topic,
        "taosuri": address,
        "schema.create": "true",
        "health.no-progress": "1s",
        "stop.deadline": "5s",
    }
    process = program(settings | more)
    try:
        yield process, str(process.event("status.listening")["url"])
    finally:
        process.stop(signal.SIGKILL)


def topic_of(kafka: MockKafka, records: int) -> str:
    topic = unique("health")
    kafka.create_topic(topic, 1)
    kafka.create_topic(f"{topic}.dlq", 1)
    values = [encode_msgpack(Record("d1", START_NS + n * 1_000_000, (1.5,))) for n in range(records)]
    produce(kafka.bootstrap, topic, values, partition=0)
    return topic


def reasons(url: str) -> dict[str, str]:
    """What /healthz says is wrong, by code."""
    document: dict[str, Any] = asked(f"{url}/healthz")[1]
    return {reason["code"]: reason["message"] for reason in document["reasons"]}


def test_lag_and_nothing_stored_is_red_and_names_what_blocks(kafka: MockKafka, tmp_path: Path) -> None:
    """Once health.no-progress has passed, with the records to go; green when the database is there. An outage is no
    reason to be restarted."""
    topic, (number,) = topic_of(kafka, 20), free_ports(1)
    place = f"127.0.0.1:{number}"
    with serving(ConsumerProcess, kafka, topic, f"http://root:taosdata@{place}/d") as (process, url):
        wait_for(lambda: {"no_progress", "database"} <= reasons(url).keys(), seconds=20)
        told = reasons(url)
        assert "with 20 records to go: rows wait for the database (unavailable)" in told["no_progress"]
        assert told["database"].startswith("rows have waited for ")
        assert asked(f"{url}/readyz")[0] == 503
        assert asked(f"{url}/livez") == (200, {"ok": True, "reasons": []})
        with running(place, tmp_path / "d.db"):
            wait_for(lambda: asked(f"{url}/healthz")[0] == 200, seconds=30)
            wait_for(lambda: committed(kafka.bootstrap, topic, topic).get(0) == 20)
            assert process.stop(signal.SIGTERM) == 0, process.last_words()


def test_a_member_without_partitions_is_rightly_idle(kafka: MockKafka) -> None:
    """Two members and one partition: both are ready, and nothing is wrong with the one that has none."""
    topic = topic_of(kafka, 5)
    with running("127.0.0.1:0") as database:
        address = f"{database.replace('//', '//root:taosdata@')}/d"
        one, two = (serving(Impatient, kafka, topic, address) for _ in "12")
        with one as (_, first), two as (_, second):
            urls = (first, second)
            wait_for(lambda: sorted(len(asked(f"{u}/status.json")[1]["partitions"]) for u in urls) == [0, 1])
            wait_for(lambda: all(asked(f"{u}/readyz")[0] == 200 for u in urls))
            assert [reasons(u) for u in urls] == [{}, {}]
            wait_for(lambda: committed(kafka.bootstrap, topic, topic).get(0) == 5)


def test_a_worker_that_never_returns_makes_it_not_live(kafka: MockKafka) -> None:
    """Somebody's own mapping hangs: the process is to be restarted, and says which thread."""
    topic = topic_of(kafka, 5)
    with running("127.0.0.1:0") as database:
        address = f"{database.replace('//', '//root:taosdata@')}/d"
        with serving(Impatient, kafka, topic, address, route="support.stuck_route:row") as (_, url):
            wait_for(lambda: asked(f"{url}/livez")[0] == 503, seconds=20)
            (reason,) = asked(f"{url}/livez")[1]["reasons"]
            assert reason["code"] == "wedged_worker"
            assert reason["message"].startswith("the worker-")
            wait_for(lambda: "no_progress" in reasons(url))
            assert asked(f"{url}/metrics")[1].count("taosink_live 0.0") == 1

"""The status listener of a running consumer: what it says while things go well, badly, and well again."""

import json
import signal
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.consumer_process import ConsumerProcess, consumer
from support.http_asked import asked
from support.kafka_broker import free_ports
from support.kafka_data import committed, produce, unique
from support.mock_cluster import MockKafka
from support.source_rig import wait_for

from taosink.embedded.database.server import running
from taosink.records.record import Record, encode_msgpack

START_NS = 1_735_689_600_000_000_000
TOKEN = "a-token-of-sixteen-and-more"


@pytest.fixture(scope="module")
def kafka() -> Iterator[MockKafka]:
    """What the listener says does not depend on the kind of broker."""
    cluster = MockKafka()
    yield cluster
    cluster.close()


def readings(count: int, device: str = "d1", begin: int = 0) -> list[bytes]:
    return [
        encode_msgpack(Record(device, START_NS + (begin + n) * 1_000_000, (1.5, n))) for n in range(count)
    ]


@contextmanager
def listening(
    kafka: MockKafka, topic: str, address: str, **more: str
) -> Iterator[tuple[ConsumerProcess, str]]:
    settings = {
        "kafka.brokers": kafka.bootstrap,
        "topic": topic,
        "taosuri": address,
        "schema.create": "true",
        **{name.replace("__", ".").replace("_", "-"): value for name, value in more.items()},
    }
    with consumer(settings) as process:
        yield process, str(process.event("status.listening")["url"])


def topic_of(kafka: MockKafka, partitions: int) -> str:
    topic = unique("status")
    kafka.create_topic(topic, partitions)
    kafka.create_topic(f"{topic}.dlq", 1)
    return topic


def test_an_outage_is_told_by_ready_and_never_by_live(kafka: MockKafka, tmp_path: Path) -> None:
    """Green, red with the reason while the database is away, green again; metrics and events tell the same."""
    topic, (port,) = topic_of(kafka, 2), free_ports(1)
    address = f"http://root:taosdata@127.0.0.1:{port}/d"
    data = tmp_path / "d.db"
    with running(f"127.0.0.1:{port}", data) as _:
        produce(kafka.bootstrap, topic, readings(50), partition=0)
        started = listening(kafka, topic, address)
        process, url = started.__enter__()
        wait_for(lambda: asked(f"{url}/status.json")[1]["totals"]["stored"] == 50)
        wait_for(lambda: asked(f"{url}/readyz") == (200, {"ok": True, "reasons": []}))
        caught_up = f'taosink_lag_records{{partition="0",topic="{topic}"}} 0.0'
        wait_for(lambda: caught_up in asked(f"{url}/metrics")[1])
    try:
        produce(kafka.bootstrap, topic, readings(10, begin=50), partition=0)
        wait_for(lambda: asked(f"{url}/readyz")[0] == 503)
        (reason,) = asked(f"{url}/readyz")[1]["reasons"]
        assert reason["code"] == "database"
        assert asked(f"{url}/livez")[0] == 200
        status, health = asked(f"{url}/healthz")
        assert (status, health["live"], health["healthy"]) == (503, True, False)
        assert health["database"]["class"] == "unavailable"
        metrics = asked(f"{url}/metrics")[1]
        assert "taosink_ready 0.0" in metrics
        seconds = [line for line in metrics.splitlines() if line.startswith("taosink_lag_seconds{")]
        assert sorted(float(line.split()[-1]) > 0 for line in seconds) == [False, True]
        document = asked(f"{url}/status.json")[1]
        assert [e["text"].split()[0] for e in document["errors"]].count("write.waiting") >= 1
        with urllib.request.urlopen(f"{url}/events", timeout=10) as events:
            with running(f"127.0.0.1:{port}", data):
                told = (json.loads(line[6:]) for line in events if line.startswith(b"data: "))
                states = [(e["health"]["ready"], e["lag"]) for e in _until_ready(told)]
                assert states[0] == (False, 10)
                assert states[-1][0] is True
                wait_for(lambda: committed(kafka.bootstrap, topic, topic).get(0) == 60)
                assert process.stop(signal.SIGTERM) == 0, process.last_words()
            assert b"" in [events.readline() for _ in range(20)]  # the stream has ended with the process
    finally:
        started.__exit__(None, None, None)


def _until_ready(events: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for _, event in zip(range(60), events, strict=False):
        yield event
        if event["health"]["ready"]:
            return


def test_an_operator_closes_a_breaker(kafka: MockKafka) -> None:
    """The partition goes on at once, and not row by row a minute; without the token nobody closes anything."""
    topic = topic_of(kafka, 1)
    with running("127.0.0.1:0") as database:
        # The 59th of 65 makes nine in ten.
        produce(kafka.bootstrap, topic, [*([b"no record"] * 60), *readings(5)], partition=0)
        address = f"{database.replace('//', '//root:taosdata@')}/d"
        with listening(kafka, topic, address, status__token=TOKEN) as (process, url):
            process.event("breaker.open")
            assert asked(f"{url}/status.json")[0] == 401
            wait_for(
                lambda: asked(f"{url}/status.json", token=TOKEN)[1]["partitions"][0]["state"] == "stopped"
            )
            assert asked(f"{url}/readyz")[1]["reasons"][0]["code"] == "all_partitions_stopped"
            assert asked(f"{url}/livez")[0] == 200
            where = f"{url}/breakers/{topic}"
            assert asked(f"{where}/0/close", method="POST")[0] == 401
            assert asked(f"{where}/0/close", token=TOKEN)[0] == 405
            assert asked(f"{where}/7/close", method="POST", token=TOKEN)[0] == 404
            status, said = asked(f"{where}/0/close", method="POST", token=TOKEN)
            assert (status, said) == (200, {"closed": {"topic": topic, "partition": 0}})
            wait_for(lambda: committed(kafka.bootstrap, topic, topic).get(0) == 65, seconds=20)
            assert asked(f"{where}/0/close", method="POST", token=TOKEN)[0] == 409
            wait_for(lambda: asked(f"{url}/healthz")[0] == 200)
            document = asked(f"{url}/status.json", token=TOKEN)[1]
            assert document["totals"]["dead_lettered"] == 60
            assert document["last_dead_letters"][0]["kind"] == "malformed"
            assert TOKEN not in json.dumps(document)
            assert process.stop(signal.SIGTERM) == 0, process.last_words()
    assert "breaker.closed_by_operator" in process.events


@pytest.mark.parametrize("how", ["in use", "nobody's address"])
def test_an_address_that_cannot_be_used_is_one_line(how: str) -> None:
    """Exit code 1 before anything is read, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}" if how == "in use" else "203.0.113.7:9464"
        with running("127.0.0.1:0") as database:
            settings = {
                "kafka.brokers": "127.0.0.1:1",
                "taosuri": f"{database.replace('//', '//root:taosdata@')}/d",
                "status.listen": listen,
            }
            with consumer(settings) as process:
                assert process.ended() == 1
    reason = process.events["consumer.not_started"]["reason"]
    assert listen in reason
    assert "choose another" in reason
    assert "\n" not in reason


def test_it_can_be_switched_off(kafka: MockKafka) -> None:
    """An empty address: no socket, no thread."""
    topic = topic_of(kafka, 1)
    with running("127.0.0.1:0") as database:
        settings = {
            "kafka.brokers": kafka.bootstrap,
            "topic": topic,
            "taosuri": f"{database.replace('//', '//root:taosdata@')}/d",
            "status.listen": "",
        }
        with consumer(settings) as process:
            process.event("kafka.assigned")
            threads = [
                path.read_text().strip() for path in Path(f"/proc/{process.process.pid}/task").glob("*/comm")
            ]
            assert process.stop(signal.SIGTERM) == 0
        assert threads
        assert "status.listening" not in process.events

"""The metrics of both programs at work and under faults, as Prometheus would get them."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.consumer_process import consumer
from support.http_asked import asked
from support.ingress_process import SocketDevice, ingress
from support.kafka_broker import free_ports
from support.kafka_data import committed, produce, unique
from support.machine_tools import needed
from support.mock_cluster import MockKafka
from support.source_rig import wait_for

from taosink.embedded.database.server import running
from taosink.embedded.librdkafka import MockCluster
from taosink.records.record import Record, encode_msgpack

START_NS = 1_735_689_600_000_000_000
READING = {"Timestamp": "2026-01-31T08:00:00.5Z", "Cols": [1.5, "on"]}
Samples = dict[str, float]


@pytest.fixture(scope="module")
def kafka() -> Iterator[MockKafka]:
    cluster = MockKafka()
    yield cluster
    cluster.close()


def scraped(url: str) -> Samples:
    """By the name with its labels as they stand there, in their order."""
    text = asked(f"{url}/metrics")[1]
    return {
        sample.name + ",".join(f"{{{k}={v}}}" for k, v in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def lint(url: str) -> str:
    """What Prometheus' own checker has to say."""
    text = asked(f"{url}/metrics")[1]
    said: subprocess.CompletedProcess[str] = subprocess.run(
        [needed("promtool"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return said.stdout + said.stderr


def readings(count: int, begin: int = 0) -> list[bytes]:
    return [
        encode_msgpack(Record(f"d{n % 7}", START_NS + (begin + n) * 1_000_000, (1.5, n)))
        for n in range(count)
    ]


def test_a_consumer_tells_what_it_did(kafka: MockKafka, tmp_path: Path) -> None:
    """Stored, dead-lettered, waited, batches and statements, lag while the database is away and when all is done; and
    what is put back because nothing may be written yet is no batch."""
    topic, (number,) = unique("measured"), free_ports(1)
    kafka.create_topic(topic, 2)
    kafka.create_topic(f"{topic}.dlq", 1)
    produce(kafka.bootstrap, topic, [*readings(300), b"no record", b"neither"], partition=0)
    place = f"127.0.0.1:{number}"
    lane = f"{{partition=0}},{{topic={topic}}}"
    settings = {
        "kafka.brokers": kafka.bootstrap,
        "topic": topic,
        "taosuri": f"http://root:taosdata@{place}/d",
        "schema.create": "true",
    }
    with consumer(settings) as process:
        url = str(process.event("status.listening")["url"])
        wait_for(lambda: scraped(url)["taosink_database_wait_seconds"] > 1)
        away = scraped(url)
        assert away[f"taosink_lag_records{lane}"] == away[f"taosink_records_consumed_total{lane}"] == 302
        assert away[f"taosink_lag_seconds{lane}"] > 1
        assert away[f"taosink_lag_seconds{lane.replace('0', '1', 1)}"] == 0
        assert away["taosink_retries_total{class=unavailable}"] > 0
        assert away["taosink_queue_records"] + away["taosink_memory_used_bytes{part=workers}"] > 0
        assert away["taosink_records_stored_total"] == 0
        with running(place, tmp_path / "d.db"):
            wait_for(lambda: committed(kafka.bootstrap, topic, topic).get(0) == 302, seconds=40)
            produce(kafka.bootstrap, topic, readings(3, begin=300), partition=1)
            wait_for(lambda: committed(kafka.bootstrap, topic, topic).get(1) == 3)
            wait_for(lambda: scraped(url)[f"taosink_lag_records{lane}"] == 0)
            assert lint(url) == ""
            done = scraped(url)
    assert done["taosink_records_stored_total"] == 303
    assert done["taosink_records_rejected_total{reason=malformed}"] == 2
    assert done["taosink_records_dead_lettered_total"] == 2
    assert done[f"taosink_committed_offset{lane}"] == 302
    assert done[f"taosink_lag_seconds{lane}"] == 0
    assert done["taosink_known_subtables"] == 7
    assert done["taosink_rebalances_total"] == 1
    assert done["taosink_memory_budget_bytes"] == 256 << 20
    assert done["taosink_ready"] == done["taosink_live"] == done["taosink_healthy"] == 1
    assert done["taosink_partitions{state=reading}"] == 2
    assert done["taosink_desired_consumers"] > 0
    # Tried again and again while the database was away, but never a batch for each look at what may be written.
    assert 1 <= done["taosink_batch_records_count"] <= done["taosink_encode_seconds_count"]
    assert done["taosink_write_seconds_count"] >= done["taosink_statement_bytes_count"] >= 1
    assert 1 <= done["taosink_queue_seconds_count"] <= 3  # of those that waited for nothing but their turn
    (info,) = [name for name in done if name.startswith("taosink_consumer_info")]
    assert f"{{group={topic}}}" in info


def gateway_settings(brokers: str) -> dict[str, str]:
    return {"kafka.brokers": brokers, "topic": "readings", "ingress.http-listen": "127.0.0.1:0"}


def test_a_gateway_tells_what_it_did() -> None:
    """Connections, frames, acks and their time, rejects by reason, on TCP and HTTP."""
    with MockCluster({"readings": 2}) as broker, ingress(gateway_settings(broker.bootstrap)) as gateway:
        host, number = gateway.address("admin")
        url = f"http://{host}:{number}"
        with SocketDevice(gateway.address()) as device:
            device.connect("pump-1")
            assert device.ask("data", uid=1, data=READING)["status"] == "ok"
            assert device.ask("data", uid=2, data={"Timestamp": "never"})["status"] == "rejected"
            wait_for(lambda: scraped(url)["taosink_ingress_frames_total{direction=in}"] == 3)
            found = scraped(url)
            assert found["taosink_ingress_connections"] == found["taosink_ingress_sessions"] == 1
            assert found["taosink_ingress_connections_accepted_total{transport=plain}"] == 1
            assert found["taosink_ingress_requests_total{action=data}"] == 1
            assert found["taosink_ingress_answers_total{status=ok}"] == 2  # the connect too
            assert found["taosink_ingress_answers_total{status=unknown}"] == 0
            assert found["taosink_ingress_rejects_total{reason=record_rejected}"] == 1
            assert found["taosink_ingress_rejects_total{reason=busy}"] == 0
            assert found["taosink_ingress_ack_seconds_count{ack=kafka}"] == 1
            assert 0 < found["taosink_ingress_ack_seconds_sum{ack=kafka}"] < 30
            assert found["taosink_ingress_published_total{purpose=readings}"] == 1
            assert found["taosink_ingress_ready"] == 1
        http_host, http_number = gateway.address("http")
        assert asked(f"http://{http_host}:{http_number}/no-such-place")[0] == 404
        wait_for(lambda: scraped(url)["taosink_ingress_connections_closed_total{reason=left}"] == 1)
        unknown = "taosink_ingress_http_requests_total{listener=public},{route=unknown},{status=404}"
        assert scraped(url)[unknown] == 1
        assert lint(url) == ""

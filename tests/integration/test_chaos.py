"""A storm under a minute long: members come, go, freeze and are killed, broker and database break, nothing is lost."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from support.audit_rig import reading
from support.chaos.run import ChaosPlan, chaos, run_chaos, taosuri
from support.chaos.schedule import Cast, Pace
from support.chaos.servers import Operator, embedded_database, operated_kafka, proxy_to
from support.consumer_process import consumer
from support.kafka_broker import KafkaUnderTest
from support.kafka_data import produce, unique

from taosink.taos.address import parse
from taosink.taos.drivers import connect
from taosink.taos.errors import TaosError

pytestmark = pytest.mark.kafka

STORM = Cast(pace=Pace(consumer=1.2, database=3.0, broker=9.0, frozen=(0.5, 5.0), broker_down=(0.1, 1.0)))


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with operated_kafka(tmp_path_factory.mktemp("chaos") / "kafka") as found:
        yield found


@pytest.mark.parametrize(("protocol", "seed"), [("classic", 1), ("consumer", 2)])
def test_a_storm_loses_nothing(operator: Operator, tmp_path: Path, protocol: str, seed: int) -> None:
    """Every reading is stored as the partition held it last or dead-lettered, and every process ends as it should."""
    plan = ChaosPlan(seed=seed, seconds=13, protocol=protocol, cast=STORM)
    report = run_chaos(plan, operator, tmp_path / "logs")
    sys.stdout.write(f"{report.line}\n")
    assert report.clean, json.dumps(report.as_json(), indent=2)
    assert len(report.faults) > 4, report.line


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_rolling_restarts_write_nothing_again(
    real_kafka: KafkaUnderTest, tmp_path: Path, protocol: str
) -> None:
    """Members stopped by SIGTERM one after another under flow: each drains, and no row is written twice."""
    plan = ChaosPlan(seed=3, seconds=10, protocol=protocol, telling=False, cast=Cast(members=2, spares=0))
    with Operator(real_kafka) as operator, chaos(plan, operator, tmp_path / "logs") as run:
        run.roll(rounds=1)
        run.settle()
        report = run.report()
    assert report.clean, json.dumps(report.as_json(), indent=2)
    assert report.exits == {"0": 4}
    assert report.written_again == 0


def stored(url: str) -> list[list[object]]:
    with closing(connect(parse(taosuri(url)))) as driver, suppress(TaosError):
        return [list(row) for row in driver.query("SELECT col0 FROM stb ORDER BY ts").rows]
    return []


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_member_that_was_frozen_does_not_write_over_its_successor(
    operator: Operator, protocol: str
) -> None:
    """It wakes with rows to be written of a partition that has had another owner meanwhile, who stored a later
    reading of the same timestamp: that one stays."""
    kafka, topic = operator.kafka, unique("frozen")
    kafka.create_topic(topic, 1)
    kafka.create_topic(f"{topic}.dlq", 1)
    with ExitStack() as stack:
        url = stack.enter_context(embedded_database())
        proxy = stack.enter_context(proxy_to(url))
        plan = ChaosPlan(seed=0, seconds=0, protocol=protocol)
        through = plan.arguments(kafka.bootstrap, topic, taosuri(f"http://127.0.0.1:{proxy.port}"))
        first = stack.enter_context(consumer(through))
        produce(kafka.bootstrap, topic, [reading("d", 1, 1.0)], partition=0)
        first.until(lambda: stored(url) == [[1.0]])
        proxy.cut()
        produce(kafka.bootstrap, topic, [reading("d", 2, 2.0)], partition=0)
        first.event("write.waiting")
        first.process.send_signal(signal.SIGSTOP)
        proxy.restore()
        second = stack.enter_context(consumer({**through, "taosuri": taosuri(url)}))
        second.until(lambda: stored(url) == [[1.0], [2.0]])
        produce(kafka.bootstrap, topic, [reading("d", 2, 3.0)], partition=0)
        second.until(lambda: stored(url) == [[1.0], [3.0]])
        first.process.send_signal(signal.SIGCONT)
        first.event("kafka.partitions_lost")
        assert stored(url) == [[1.0], [3.0]]
        assert first.stop() == second.stop() == 0
        assert stored(url) == [[1.0], [3.0]]

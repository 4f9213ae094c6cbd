"""`taosink doctor` against the broker of this session and the embedded database."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from support.consumer_process import consumer
from support.kafka_broker import KafkaUnderTest, admin, free_ports
from support.kafka_data import commit, committed, produce, unique
from support.mock_cluster import MockKafka
from support.proxy import Proxy

from taosink.embedded.database.server import running
from taosink.kafka.commit_metadata import CommitMetadata
from taosink.records.record import Record, encode_msgpack
from taosink.taos.address import parse
from taosink.taos.drivers import connect
from taosink_cli import doctor
from taosink_cli.main import Call

pytestmark = pytest.mark.kafka
START_NS = 1_735_689_600_000_000_000

Findings = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running() as found:
        yield found


class Runner:
    """Runs `taosink doctor`; `code` and `found` (by check, the worst of each) are the last run's."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.code = -1
        self.out = ""

    def text(self, *flags: str) -> list[str]:
        self._capsys.readouterr()
        self.code = doctor.main(list(flags), Call("doctor", "", own_process=False))
        self.out = self._capsys.readouterr().out
        return self.out.splitlines()

    def __call__(self, *flags: str) -> Findings:
        (line,) = self.text(*flags, "--json")
        told: dict[str, Any] = json.loads(line)
        assert told["exit_code"] == self.code
        order = ["ok", "not checked", "warning", "failed"]
        ranked = sorted(told["findings"], key=lambda f: order.index(f["status"]))
        return {f["check"]: f for f in ranked}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capsys)


def records(count: int) -> list[bytes | None]:
    return [encode_msgpack(Record("d", START_NS + i * 10**9, (float(i), "x"))) for i in range(count)]


def made(kafka: KafkaUnderTest, partitions: int = 2, **config: str) -> str:
    topic = unique("doctor")
    kafka.create_topic(topic, partitions)
    forever = {"retention.ms": "-1", "cleanup.policy": "delete"}
    kafka.create_topic(f"{topic}.dlq", 1, forever | {k.replace("_", "."): v for k, v in config.items()})
    return topic


def flags(kafka: KafkaUnderTest, topic: str, uri: str) -> list[str]:
    return ["--kafka.brokers", kafka.bootstrap, "--topic", topic, "--taosuri", uri]


def test_all_is_well(real_kafka: KafkaUnderTest, run: Runner, url: str) -> None:
    """Everything in order: exit 0, one line each, and nothing was made or committed by looking."""
    topic = made(real_kafka)
    produce(real_kafka.bootstrap, topic, records(50), partition=0)
    uri = f"{url}/{topic.replace('-', '_')}"
    began = time.monotonic()
    found = run(*flags(real_kafka, topic, uri), "--schema.create")
    assert time.monotonic() - began < 10
    assert run.code == 0
    assert {f["status"] for f in found.values()} <= {"ok", "not checked"}
    assert "2 partitions" in found["topic"]["detail"]
    assert "nothing committed, starts at earliest" in found["group"]["detail"]
    assert found["consumers"]["detail"] == "0 for 2 partitions: room for 2 more"
    assert found["dead letters"]["detail"] == f"{topic}.dlq: 0 records"
    assert "does not exist yet; consumers run: CREATE DATABASE" in found["database"]["detail"]
    assert found["records"]["detail"] == "the 20 newest become rows"
    assert found["permission"]["status"] == "not checked"
    assert committed(real_kafka.bootstrap, topic, topic) == {}
    with closing(connect(parse(url))) as driver:
        assert topic.replace("-", "_") not in [row[0] for row in driver.query("SHOW DATABASES").rows]


def test_a_group_at_work(real_kafka: KafkaUnderTest, run: Runner, url: str) -> None:
    """Members against partitions, lag, and a table that fits; one line each, told as text."""
    topic = made(real_kafka, partitions=1)
    produce(real_kafka.bootstrap, topic, records(5), partition=0)
    uri = f"{url}/{topic.replace('-', '_')}"
    settings = {
        "kafka.brokers": real_kafka.bootstrap,
        "topic": topic,
        "taosuri": uri,
        "schema.create": "true",
    }
    with consumer(settings) as process:
        process.until(lambda: committed(real_kafka.bootstrap, topic, topic).get(0) == 5)
        lines = run.text(*flags(real_kafka, topic, uri))
    assert run.code == 0, run.out
    shown = {line[13:30].strip(): line for line in lines}
    assert "stable, 1 member (consumer); lag 0" in shown["group"]
    assert shown["consumers"].startswith("warning")
    assert "1 for 1 partition: one more would get none" in shown["consumers"]
    assert "precision ms, KEEP" in shown["database"]
    assert "3 columns, 1 tag; the sampled records fit" in shown["supertable"]
    assert lines[-1].split(", ")[1] == "1 warning"


def test_what_is_wrong_in_kafka(real_kafka: KafkaUnderTest, run: Runner, url: str) -> None:
    """A commit of a deleted topic stops consumers, forgetful dead letters lose, odd records are told."""
    topic = made(real_kafka, retention_ms="60000")
    produce(real_kafka.bootstrap, topic, [*records(3), b"broken", b"{}"], partition=0)
    old = CommitMetadata("another", 2).encode()
    commit(real_kafka.bootstrap, topic, [TopicPartition(topic, 0, 2, metadata=old)])
    found = run(*flags(real_kafka, topic, f"{url}/none"), "--schema.create")
    assert run.code == 6
    assert "1 partition cannot go on" in found["group"]["detail"]
    assert found["group"]["do"].endswith("taosink offsets reset")
    assert "forgets letters (retention.ms 60000" in found["dead letters"]["detail"]
    assert found["records"]["status"] == "warning"
    assert "2 of the 5 newest cannot become rows" in found["records"]["detail"]


def test_what_is_not_there(real_kafka: KafkaUnderTest, run: Runner, url: str) -> None:
    """A missing topic and a missing database, which nobody may create: told with what to do, and not made."""
    topic = unique("none")
    found = run(*flags(real_kafka, topic, f"{url}/none"))
    assert run.code == 6
    assert "does not exist" in found["topic"]["detail"]
    assert "CREATE DATABASE IF NOT EXISTS `none`" in found["database"]["do"]
    assert found["supertable"]["status"] == "failed"
    assert topic not in admin(real_kafka.bootstrap).list_topics(timeout=10).topics


def test_logins(real_kafka: KafkaUnderTest, run: Runner, url: str) -> None:
    """A listener that asks for a login, one that does not, a wrong password on either side."""
    asks = getattr(real_kafka, "sasl_bootstrap", None)
    if asks is None:
        pytest.skip("needs a broker with a SASL listener")
    topic = made(real_kafka)
    alice = ["--kafka.sasl-enable", "--kafka.user", "alice", "--kafka.password"]
    common = ["--topic", topic, "--taosuri", f"{url}/db", "--schema.create"]
    good = run("--kafka.brokers", asks, *common, *alice, "alice-pw")
    assert run.code == 0, good
    assert good["kafka login"]["detail"].startswith("as alice: ")
    assert "asks for a login (PLAIN)" in run("--kafka.brokers", asks, *common)["kafka address"]["detail"]
    plain = run("--kafka.brokers", real_kafka.bootstrap, *common, *alice, "alice-pw")
    assert "is a listener without login" in plain["kafka address"]["detail"]
    wrong = run("--kafka.brokers", asks, *common, *alice, "not-hers-at-all")
    assert wrong["kafka login"]["status"] == "failed"
    assert "uthentication failed" in wrong["kafka login"]["detail"]
    assert "not-hers-at-all" not in run.out
    login = ["--taos.user", "root", "--taos.password", "not-roots-at-all"]
    refused = run("--kafka.brokers", real_kafka.bootstrap, *common, *login)
    assert run.code == 6
    assert "0x0357" in refused["database REST"]["detail"]
    assert "taos.password" in refused["database REST"]["do"]
    assert "not-roots-at-all" not in run.out


def test_nobody_answers(run: Runner) -> None:
    """Closed on both sides: each told once, the rest as not checked, within the time of a check or two."""
    kafka, taos = free_ports(2)
    began = time.monotonic()
    found = run("--kafka.brokers", f"127.0.0.1:{kafka}", "--taosuri", f"http://127.0.0.1:{taos}/db")
    assert time.monotonic() - began < 10
    assert run.code == 6
    assert "nothing listens at" in found["kafka address"]["detail"]
    assert "nothing listens at" in found["database address"]["detail"]
    assert {f["status"] for f in found.values() if "address" not in f["check"]} == {"ok", "not checked"}


def test_a_database_that_hangs_ends_in_time(kafka: KafkaUnderTest, run: Runner, url: str) -> None:
    """A frozen server holds up nobody: its line says that nothing speaks there."""
    host, _, number = url.removeprefix("http://").partition(":")
    topic = unique("doctor")
    kafka.create_topic(topic, 1)
    with Proxy(host, int(number)) as proxy:
        proxy.freeze()
        began = time.monotonic()
        found = run(*flags(kafka, topic, f"http://127.0.0.1:{proxy.port}/db"), "--timeout=2s")
        assert time.monotonic() - began < 15
    assert run.code == 6
    assert "takes connections and speaks no HTTP" in found["database address"]["detail"]


def test_settings_that_no_consumer_starts_with(run: Runner, url: str, tmp_path: Path) -> None:
    """The code of a wrong configuration, and nothing else is checked."""
    authorities = tmp_path / "ca.pem"
    authorities.write_text("no certificate")
    own = f"ssl.ca.location={authorities}"
    found = run("--kafka.tls", "--kafka.properties", own, "--taosuri", f"{url}/db")
    assert run.code == 1
    assert list(found) == ["settings"]
    assert "ssl.ca.location" in found["settings"]["detail"]


def test_the_embedded_broker(run: Runner, url: str) -> None:
    """What it does not tell is not checked, at once; nothing of that is a fault."""
    mock = MockKafka()
    try:
        mock.create_topic("t", 2)
        produce(mock.bootstrap, "t", records(3), partition=0)
        began = time.monotonic()
        found = run(*flags(mock, "t", f"{url}/embedded"), "--schema.create")
        assert time.monotonic() - began < 3
    finally:
        mock.close()
    assert run.code == 0
    assert found["consumers"]["status"] == "not checked"

"""`taosink init` against a broker and the embedded database."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from confluent_kafka.admin import ConfigResource  # type: ignore[attr-defined] # re-exported there
from support.kafka_broker import KafkaUnderTest, admin, free_ports
from support.kafka_data import unique
from support.kafka_jars_broker import JarKafka

from taosink.embedded.database.server import running
from taosink.embedded.librdkafka import MockCluster
from taosink.taos.address import parse
from taosink.taos.catalogue import read_table
from taosink.taos.drivers import connect
from taosink_cli import init
from taosink_cli.main import Call

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running() as found:
        yield found


@dataclass
class Runner:
    """Runs `taosink init` in this process; what it said of each thing is kept by the thing's name."""

    capsys: pytest.CaptureFixture[str]
    error: str = ""

    def __call__(self, *flags: str) -> tuple[int, dict[str, str]]:
        self.capsys.readouterr()
        code = init.main([*flags, "--log.level=error"], Call("init", "", own_process=False))
        told = self.capsys.readouterr()
        self.error = told.err
        lines = [line.partition("  ") for line in told.out.splitlines()]
        return code, {rest.strip().partition(":")[0]: f"{state}: {rest}" for state, _, rest in lines}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capsys)


def config_of(kafka: KafkaUnderTest, topic: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    client = admin(kafka.bootstrap)  # kept: its end would cancel the request
    entries = client.describe_configs([resource])[resource].result(10)
    return {name: entry.value for name, entry in entries.items()}


def test_everything_is_made_once(real_kafka: KafkaUnderTest, url: str, run: Runner) -> None:
    """As consumers and gateways would make it; a second run changes nothing and says so."""
    topic, names = unique("init"), [unique("gateway") for _ in range(5)]
    flags = [f"--kafka.brokers={real_kafka.bootstrap}", f"--topic={topic}", f"--taosuri={url}/{topic}"]
    flags += ["--partitions=3", "--replication=1", "--columns=DOUBLE*2,NCHAR(8)", "--schema.precision=us"]
    owns = ("request-topic", "response-topics", "presence-topic", "commands-topic")
    flags += ["--init.ingress", *(f"--ingress.{o}={n}" for o, n in zip(owns, names, strict=False))]
    flags += [f"--segments.topic={names[4]}"]
    things = {f"topic {name}" for name in [topic, f"{topic}.dlq", *names]}
    things |= {f"database {topic}", f"supertable {topic}.stb"}
    code, first = run(*flags)
    assert (code, run.error) == (0, "")
    assert {thing for thing, said in first.items() if said.startswith("made")} == things
    code, second = run(*flags)
    assert (code, run.error) == (0, "")
    assert {thing for thing, said in second.items() if said.startswith("was there")} == things
    found = admin(real_kafka.bootstrap).list_topics(timeout=10).topics
    assert [len(found[name].partitions) for name in (topic, f"{topic}.dlq")] == [3, 1]
    assert config_of(real_kafka, f"{topic}.dlq")["retention.ms"] == "-1"
    assert [config_of(real_kafka, name)["cleanup.policy"] for name in names] == [
        *("delete", "delete", "compact", "compact", "delete")
    ]
    driver = connect(parse(url))
    table = read_table(driver, topic, "stb")
    driver.close()
    assert table is not None
    assert [str(kind) for kind in table.columns.values()] == ["TIMESTAMP", "DOUBLE", "DOUBLE", "NCHAR(8)"]


def test_what_is_there_is_never_altered(real_kafka: KafkaUnderTest, url: str, run: Runner) -> None:
    """It is told what differs and what to do, and the exit code says that everything is there."""
    topic = unique("init")
    flags = [f"--kafka.brokers={real_kafka.bootstrap}", f"--topic={topic}", f"--taosuri={url}/{topic}"]
    assert run(*flags, "--partitions=2", "--columns=INT")[0] == 0
    code, said = run(*flags, "--partitions=5", "--columns=DOUBLE,INT", "--schema.precision=ns")
    assert code == 0
    assert "2 partitions, not 5" in said[f"topic {topic}"]
    assert "col0 is INT, not DOUBLE" in said[f"supertable {topic}.stb"]
    assert said[f"database {topic}"].startswith("warning: ")
    assert len(admin(real_kafka.bootstrap).list_topics(topic, timeout=10).topics[topic].partitions) == 2
    driver = connect(parse(url))
    table = read_table(driver, topic, "stb")
    driver.close()
    assert table is not None
    assert [str(kind) for kind in table.columns.values()] == ["TIMESTAMP", "INT"]


def test_more_copies_than_brokers_is_one_line(real_kafka: KafkaUnderTest, url: str, run: Runner) -> None:
    """For each topic that was not made; the database's side is made all the same."""
    topic = unique("init")
    flags = [f"--kafka.brokers={real_kafka.bootstrap}", f"--topic={topic}", f"--taosuri={url}/{topic}"]
    code, said = run(*flags, "--replication=3")
    assert code == 1
    assert [line.partition(" (")[2] for line in run.error.splitlines()] == [
        "INVALID_REPLICATION_FACTOR); give init.replication no more than there are brokers"
    ] * 2
    assert said[f"database {topic}"].startswith("made")


def test_a_broker_without_admin_calls(url: str, run: Runner) -> None:
    """Its own automatic creation makes the topics, with its own number of partitions, which is told."""
    topic = unique("init")
    with MockCluster({}) as kafka:
        flags = [f"--kafka.brokers={kafka.bootstrap}", f"--topic={topic}", f"--taosuri={url}/{topic}"]
        code, said = run(*flags, "--partitions=10")
        assert (code, run.error) == (0, "")
        assert "made by the broker itself with 4 partitions, not 10" in said[f"topic {topic}"]
        assert said[f"topic {topic}.dlq"].startswith("made")
        assert "was there" in run(*flags, "--partitions=4")[1][f"topic {topic}"]


def test_a_supertable_is_left_to_the_consumers(url: str, run: Runner) -> None:
    """Without columns nobody knows them yet; who cannot make it later is told now."""
    topic = unique("init")
    with MockCluster({}) as kafka:
        flags = [f"--kafka.brokers={kafka.bootstrap}", f"--topic={topic}", f"--taosuri={url}/{topic}"]
        assert run(*flags)[1][f"supertable {topic}.stb"].startswith("warning")
        assert run(*flags, "--schema.create")[1][f"supertable {topic}.stb"].startswith("left")


def test_what_starts_later_is_waited_for(own_kafka: KafkaUnderTest) -> None:
    """Both sides, and each is told why it waits."""
    kafka, topic = own_kafka, unique("init")
    [number] = free_ports(1)
    kafka.stop()
    flags = [f"--kafka.brokers={kafka.bootstrap}", f"--topic={topic}", "--timeout=60s"]
    command = [sys.executable, "-m", "taosink_cli", "init", *flags, "--log.format=json"]
    command += [f"--taosuri=http://127.0.0.1:{number}/{topic}", "--schema.create"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        waits = [process.stderr.readline(), process.stderr.readline()]
        assert sorted("Kafka at" in line for line in waits) == [False, True]
        assert all("init.waiting" in line for line in waits)
        kafka.start()
        with running(f"127.0.0.1:{number}"):
            out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert [line.split()[0] for line in sorted(out.splitlines())] == ["left", "made", "made", "made"]
    finally:
        process.kill()
        process.wait()


def test_nothing_there_is_one_line_for_each_side(run: Runner) -> None:
    """Once the time is over, with the addresses and what to do."""
    one, other = free_ports(2)
    flags = [f"--kafka.brokers=127.0.0.1:{one}", f"--taosuri=http://127.0.0.1:{other}/d", "--timeout=1s"]
    code, said = run(*flags)
    assert (code, said) == (1, {})
    kafka, database = sorted(run.error.splitlines())
    assert f"nothing listens at 127.0.0.1:{one}" in kafka
    assert f"127.0.0.1:{other}" in database
    assert "check taosuri" in database


def test_a_refused_database_login_is_not_waited_for(url: str) -> None:
    """Nor is the other side, which does not answer at all: exit 1 with one line, and without the password."""
    [number] = free_ports(1)
    address = url.replace("http://", "http://root:not-the-password@") + "/d"
    done = init_process(f"--kafka.brokers=127.0.0.1:{number}", f"--taosuri={address}")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "0x0357" in line
    assert "not-the-password" not in line


def test_a_refused_kafka_login_is_not_waited_for(own_kafka: KafkaUnderTest) -> None:
    """The same on the other side."""
    [number] = free_ports(1)
    assert isinstance(own_kafka, JarKafka)
    flags = [f"--kafka.brokers={own_kafka.sasl_bootstrap}", "--kafka.sasl-enable", "--kafka.user=alice"]
    done = init_process(*flags, "--kafka.password=wrong-one", f"--taosuri=http://127.0.0.1:{number}/d")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "kafka.sasl" in line
    assert "wrong-one" not in line


def test_sigterm_ends_the_wait() -> None:
    """As the first process of a container too, which has no default for it."""
    one, other = free_ports(2)
    flags = [f"--kafka.brokers=127.0.0.1:{one}", f"--taosuri=http://127.0.0.1:{other}/d"]
    command = [sys.executable, "-m", "taosink_cli", "init", *flags, "--log.format=json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        out, error = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in error


def init_process(*flags: str) -> "subprocess.CompletedProcess[str]":
    """With the default patience, two minutes: the test's own is shorter. Only its last words are kept."""
    command = [sys.executable, "-m", "taosink_cli", "init", *flags, "--log.level=error"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def test_several_at_once(real_kafka: KafkaUnderTest, url: str) -> None:
    """As the pods of a deployment do that start together: all is there behind each of them, and none fails."""
    topic = unique("init")
    flags = [f"--kafka.brokers={real_kafka.bootstrap}", f"--topic={topic}", f"--taosuri={url}/{topic}"]
    command = [sys.executable, "-m", "taosink_cli", "init", *flags, "--columns=INT", "--log.level=error"]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    try:
        told = [process.communicate(timeout=60) for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert [(process.returncode, error) for process, (_, error) in zip(started, told, strict=True)] == [
        (0, "")
    ] * 3
    lines = [line for out, _ in told for line in out.splitlines()]
    assert len(lines) == 12
    assert all(line.startswith(("made", "was there")) for line in lines)
    assert sum(line.startswith("made") and f"topic {topic}:" in line for line in lines) == 1

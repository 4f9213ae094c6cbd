"""Fixtures for every test: the Kafka of this session, told by name in the report."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from support import kafka_broker
from support.kafka_broker import KafkaUnderTest

from taosink.observe.logs import Bridge

_USED = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_USED] = []


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """What a worker process of this run used is the run's."""
    del error
    node.config.stash[_USED].extend(getattr(node, "workeroutput", {}).get("kafka", ()))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["kafka"] = session.config.stash[_USED]


def pytest_report_header() -> str:
    return f"kafka (when first needed): {kafka_broker.expected()}"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    del exitstatus
    used = sorted(config.stash[_USED]) or ["not needed by the tests of this run"]
    for kafka in used:
        terminalreporter.write_line(f"kafka: {kafka}")


@pytest.fixture(autouse=True)
def logs_of_its_own() -> Iterator[None]:
    """A command that a test calls in this process sets the log up for the whole of it: at its level, other tests'
    lines would be missing."""
    root = logging.getLogger()
    level = root.level
    yield
    structlog.reset_defaults()
    root.setLevel(level)
    for handler in root.handlers[:]:
        if isinstance(handler, Bridge):
            root.removeHandler(handler)


@pytest.fixture(scope="session")
def kafka(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KafkaUnderTest]:
    """The broker of this session; with TAOSINK_TEST_REQUIRE_KAFKA=1 its absence is an error, not a skip."""
    found = kafka_broker.find_kafka(tmp_path_factory.mktemp("kafka"))
    request.config.stash[_USED].append(found.description)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def real_kafka(kafka: KafkaUnderTest) -> KafkaUnderTest:
    """For what the mock cluster cannot do: skipped there."""
    if not kafka.real:
        pytest.skip("needs a real Kafka: librdkafka's mock cluster was found")
    return kafka


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[KafkaUnderTest]:
    """A real broker for one test alone, to stop and kill: seconds to start. Skipped without java and mvn."""
    from support.kafka_jars_broker import JarKafka

    try:
        found = JarKafka(tmp_path / "kafka")
    except kafka_broker.KafkaMissingError as missing:
        if kafka_broker.required():
            raise
        pytest.skip(f"needs a broker that can be stopped: {missing}")
    try:
        yield found
    finally:
        found.close()

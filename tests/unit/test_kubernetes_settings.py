"""Whatever the Kubernetes manifests set exists, is right, and fits together."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.manifest_processes import Process, example_secrets, processes
from support.manifests import BUILDS, EVERYTHING, GATEWAYS, PRODUCTION, Build, build

from taosink.config import ConsumerSettings, known_variables
from taosink.observe.listen_rule import check_listener
from taosink.settings.problems import SettingsError
from taosink.settings.spec import specs_of


@pytest.fixture(scope="module", params=BUILDS)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build(request.param, tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def started(built: Build, tmp_path_factory: pytest.TempPathFactory) -> list[Process]:
    return list(processes(built, tmp_path_factory.mktemp("mounts")))


def of(started: list[Process], command: str) -> Process:
    return next(p for p in started if p.command == command)


def test_every_process_starts_with_its_settings(started: list[Process]) -> None:
    """Flags, variables, file and mounted secrets together: no unknown name, no wrong value, no file missing, and
    nothing that is to be logged about them."""
    assert len(started) >= 2
    for process in started:
        try:
            loaded = process.load()
        except SettingsError as error:
            pytest.fail(f"{process.name}: {'; '.join(map(str, error.problems))}")
        assert not loaded.notices, process.name


def test_every_variable_is_a_settings(started: list[Process]) -> None:
    """And each container gives a variable once."""
    for process in started:
        given = [v["name"] for v in process.container.get("env", ())]
        assert len(set(given)) == len(given)
        assert {v for v in process.environ if v.startswith("TAOSINK_")} <= known_variables()
        assert all(v.startswith("TAOSINK_") or v == "POD_IP" for v in process.environ)


def test_a_misspelt_setting_is_refused(started: list[Process]) -> None:
    """In the file and among the variables, with the nearest right name."""
    consumer = of(started, "consumer")
    assert consumer.config is not None
    file = Path(consumer.config)
    right = file.read_text(encoding="utf-8")
    try:
        file.write_text(right.replace("[memory]", "[memroy]"), encoding="utf-8")
        with pytest.raises(SettingsError, match="memroy"):
            consumer.load()
    finally:
        file.write_text(right, encoding="utf-8")


def test_the_consumer_does_what_production_needs(started: list[Process]) -> None:
    """Reads from the beginning where nothing is committed, writes over REST, logs lines that machines read."""
    settings = of(started, "consumer").load().settings
    assert isinstance(settings, ConsumerSettings)
    assert settings.group.offset == "earliest"
    assert settings.taos.uri.get_secret_value().startswith("http")
    assert settings.logs.format == "json"


def test_no_pod_is_a_static_member(started: list[Process]) -> None:
    """A Deployment's pods have no name that outlives them, and all of them would have the same id."""
    assert of(started, "consumer").load().settings.group.static_id == ""


def test_operators_listeners_may_be_opened(started: list[Process]) -> None:
    """They stand on every interface, for probes and metrics, and so they need a token."""
    status = of(started, "consumer").load().settings.status
    assert check_listener(status.listen, status.token.get_secret_value()) is None
    assert status.listen.startswith("0.0.0.0:")
    gateways = [p for p in started if p.command == "ingress"]
    for gateway in gateways:
        listen = gateway.load().settings.listen
        assert check_listener(listen.admin, listen.admin_token.get_secret_value()) is None
        assert listen.admin.startswith("0.0.0.0:")


def test_the_example_secrets_let_no_consumer_start(started: list[Process]) -> None:
    """Somebody who applies the placeholders is told, instead of running with a token that everybody knows."""
    consumer = of(started, "consumer")
    file = Path(consumer.environ["TAOSINK_STATUS_TOKEN_FILE"])
    right = file.read_text(encoding="utf-8")
    try:
        file.write_text(example_secrets()["taosink-consumer"]["status-token"], encoding="utf-8")
        with pytest.raises(SettingsError, match="shorter than 16"):
            consumer.load()
    finally:
        file.write_text(right, encoding="utf-8")
    assert {text for keys in example_secrets().values() for text in keys.values()} == {"REPLACE-ME"}


def test_no_secret_stands_in_a_manifest(started: list[Process]) -> None:
    """Passwords and tokens come from mounted files alone, and the database's address holds none."""
    for process in started:
        secret = {spec.name: spec.variable for spec in specs_of(process.model) if spec.secret}
        given = {v["name"] for v in process.container.get("env", ())}
        assert not given & set(secret.values()), process.name
        assert not {name for name, _ in process.flags} & set(secret)
        if process.config is None:
            continue
        file = Path(process.config).read_text(encoding="utf-8")
        kept = set(secret) & set(names_in(tomllib.loads(file))) - {"taosuri"}
        assert not kept, process.name
        assert urlsplit(tomllib.loads(file)["taosuri"]).password is None


def names_in(document: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The settings of a TOML document."""
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from names_in(value, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def test_every_pod_names_the_same_topic_and_brokers(started: list[Process]) -> None:
    """They come from one place."""
    kafka = [p.load().settings for p in started]
    assert len({tuple(s.kafka.brokers) for s in kafka}) == 1
    consumer = of(started, "consumer").load().settings
    topics = {p.command: p.environ["TAOSINK_TOPIC"] for p in started}
    assert set(topics.values()) == set(consumer.group.topic)


def test_the_init_container_makes_what_the_consumer_needs(started: list[Process]) -> None:
    """The same topic, database and supertable."""
    init, consumer = of(started, "init").load().settings, of(started, "consumer").load().settings
    assert init.topics.topics == consumer.group.topic
    assert init.topics.dead_letters == consumer.dead_letters.topic
    assert init.taos == consumer.taos
    assert init.tables.supertable == consumer.tables.supertable
    assert init.tables.precision == consumer.tables.precision
    # Else rows would wait for a supertable that nobody makes.
    assert consumer.tables.create or init.make.columns


@pytest.mark.parametrize("name", [PRODUCTION, EVERYTHING])
def test_production_logs_in_by_tls(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every process of it, with the brokers' certificates checked."""
    found = build(name, tmp_path_factory.mktemp("tree"))
    for process in processes(found, tmp_path_factory.mktemp("mounts")):
        kafka = process.load().settings.kafka
        assert kafka.tls
        assert kafka.tls_verify
        assert kafka.sasl_enable
        assert kafka.sasl_mechanism == "SCRAM-SHA-512"
        assert all(broker.endswith(":9093") for broker in kafka.brokers)


def test_consumers_answer_gateways_where_there_are_gateways(built: Build, started: list[Process]) -> None:
    """A device that asks for ack=stored waits for that answer."""
    gateways = [p for p in started if p.command == "ingress"]
    assert bool(gateways) == (built.name in (*GATEWAYS, EVERYTHING))
    assert of(started, "consumer").load().settings.replies.on == bool(gateways)
    for gateway in gateways:
        settings = gateway.load().settings
        assert settings.listen.advertise == "http://10.1.2.3:8081"
        assert of(started, "consumer").load().settings.replies.topic in settings.topics.responses

"""Layers, names and validation of settings."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from taosink.config import (
    MODELS,
    CommandSettings,
    ConsumerSettings,
    EmbeddedDatabaseSettings,
    Loaded,
    ProducerSettings,
    load,
)
from taosink.settings.problems import Problem, SettingsError
from taosink.settings.rules import FORBIDDEN_PROPERTIES
from taosink.settings.spec import Spec, specs_of, variable_of

SPECS = [(command, spec) for command, model in MODELS.items() for spec in specs_of(model)]


def consumer(
    *flags: tuple[str, str], config: Path | None = None, env: Mapping[str, str] | None = None, **environ: str
) -> Loaded[ConsumerSettings]:
    return load(
        ConsumerSettings, flags, config=str(config) if config else None, environ={**(env or {}), **environ}
    )


def problems(
    *flags: tuple[str, str], config: Path | None = None, env: Mapping[str, str] | None = None, **environ: str
) -> Sequence[Problem]:
    with pytest.raises(SettingsError) as caught:
        consumer(*flags, config=config, env=env, **environ)
    return caught.value.problems


def toml(path: Path, text: str) -> Path:
    path = path / "taosink.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_defaults_are_those_that_were_promised() -> None:
    """What is documented in the settings table holds for nothing given."""
    settings = consumer().settings
    assert settings.group.topic == ("test",)
    assert settings.group.name == "test"
    assert settings.group.offset == "earliest"
    assert settings.kafka.brokers == ("localhost:9092",)
    assert settings.queue.linger == 0.1
    assert settings.queue.memory == 256 << 20
    assert settings.queue.workers == 4
    assert settings.taos.uri.get_secret_value() == "root:taosdata/tcp(tdengine:6030)/test"
    assert settings.tables.supertable == "stb"
    assert settings.dead_letters.topic_for("test") == "test.dlq"
    assert (settings.stop.deadline, settings.stop.revoke) == (25, 5)


def test_flag_over_environment_over_file_over_default(tmp_path: Path) -> None:
    """Each layer stands over the one below it."""
    path = toml(tmp_path, "worker = 2\n")
    assert consumer().settings.queue.workers == 4
    assert consumer(config=path).settings.queue.workers == 2
    assert consumer(config=path, TAOSINK_WORKER="3").settings.queue.workers == 3
    assert consumer(("worker", "5"), config=path, TAOSINK_WORKER="3").settings.queue.workers == 5


def test_the_layer_counts_before_the_age_of_the_name(tmp_path: Path) -> None:
    """An old flag beats a new variable; within one layer the new name beats the old."""
    path = toml(tmp_path, "[kafka]\nsasl-enable = false\n")
    login = {"TAOSINK_KAFKA_USER": "u", "TAOSINK_KAFKA_PASSWORD": "hunter22"}
    assert consumer(
        ("kafka.saslEnable", "true"), TAOSINK_KAFKA_SASL_ENABLE="0", env=login
    ).settings.kafka.sasl_enable
    assert consumer(config=path, KAFKA_SASL_ENABLE="1", env=login).settings.kafka.sasl_enable
    both = consumer(KAFKA_BROKERS="old:1", TAOSINK_KAFKA_BROKERS="new:1")
    assert both.settings.kafka.brokers == ("new:1",)
    assert [n.fields["given"] for n in both.notices] == ["KAFKA_BROKERS"]
    flags = consumer(("kafka.sasl-enable", "false"), ("kafka.saslEnable", "true"))
    assert not flags.settings.kafka.sasl_enable


def test_every_old_flag_and_variable_is_taken() -> None:
    """What the replaced consumer was told still means the same."""
    old = {
        "KAFKA_BROKERS": "a:1,b:2",
        "KAFKA_SASL_ENABLE": "true",
        "KAFKA_USER": "me",
        "KAFKA_PASSWORD": "hunter22",
        "KAFKA_OFFSET": "-1",
        "QUEUE_MIN_BATCH_SIZE": "2",
        "QUEUE_MAX_BATCH_SIZE": "100",
        "QUEUE_MAX_QUEUE_SIZE": "10000",
        "QUEUE_LINGER_TIME": "50us",
        "TOPIC": "metrics",
        "TAOSURI": "me:hunter22/tcp(db:6030)/plant",
        "WORKER": "8",
    }
    for settings in (
        consumer(env=old).settings,
        consumer(
            *(
                (flag, old[variable])
                for flag, variable in {
                    "kafka.brokers": "KAFKA_BROKERS",
                    "kafka.saslEnable": "KAFKA_SASL_ENABLE",
                    "kafka.user": "KAFKA_USER",
                    "kafka.password": "KAFKA_PASSWORD",
                    "kafka.offset": "KAFKA_OFFSET",
                    "min.batch.size": "QUEUE_MIN_BATCH_SIZE",
                    "max.batch.size": "QUEUE_MAX_BATCH_SIZE",
                    "max.queue.size": "QUEUE_MAX_QUEUE_SIZE",
                    "linger.time": "QUEUE_LINGER_TIME",
                    "topic": "TOPIC",
                    "taosuri": "TAOSURI",
                    "worker": "WORKER",
                }.items()
            )
        ).settings,
    ):
        assert settings.kafka.brokers == ("a:1", "b:2")
        assert (settings.kafka.user, settings.kafka.password.get_secret_value()) == ("me", "hunter22")
        assert settings.kafka.security_protocol == "SASL_PLAINTEXT"
        assert settings.group.offset == "latest"
        queue = settings.queue
        assert (queue.min_batch, queue.max_batch, queue.max_queue, queue.workers) == (2, 100, 10000, 8)
        assert queue.linger == pytest.approx(50e-6)
        assert settings.group.name == "metrics"
        assert settings.taos.uri.get_secret_value().startswith("me:")


@pytest.mark.parametrize(
    "given", [{"KAFKA_VERSION": "2.0"}, {"BROKER_TYPE": "kafka"}, {"TAOSINK_KAFKA_VERSION": "3"}]
)
def test_settings_without_effect_are_accepted_and_said(given: dict[str, str]) -> None:
    """One notice for each, with the name that was used."""
    (notice,) = consumer(env=given).notices
    assert notice.event == "settings.obsolete"
    assert notice.fields["given"] == next(iter(given))


def test_flags_without_effect_are_accepted_too() -> None:
    """Nothing that once started the consumer stops it now."""
    assert len(consumer(("kafka.version", "2.0"), ("broker.type", "kafka")).notices) == 2


def test_an_empty_variable_counts_as_not_given() -> None:
    """Compose writes them so where the user has set nothing."""
    assert consumer(TAOSINK_WORKER="", KAFKA_USER="").settings == consumer().settings


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("TAOSINK_KAFKA_BROKER", "TAOSINK_KAFKA_BROKERS"),
        ("TAOSINK_WORKERS", "TAOSINK_WORKER"),
        ("TAOSINK_LINGERTIME", "TAOSINK_LINGER_TIME"),
        ("TAOSINK_TOPIC_FILE", "TAOSINK_TOPIC"),
    ],
)
def test_a_misspelt_variable_is_an_error_that_names_the_nearest(variable: str, nearest: str) -> None:
    """It would be passed over in silence otherwise, and the default taken."""
    (problem,) = problems(env={variable: "x"})
    assert problem.setting == variable
    assert problem.fault.endswith(f" {nearest}")


def test_variables_of_kubernetes_and_of_tests_are_passed_over() -> None:
    """A cluster sets these for a service that is called taosink."""
    consumer(
        TAOSINK_SERVICE_HOST="10.0.0.1",
        TAOSINK_SERVICE_PORT_HTTP="80",
        TAOSINK_PORT="tcp://10.0.0.1:80",
        TAOSINK_CONSUMER_PORT_80_TCP_ADDR="10.0.0.1",
        TAOSINK_PORT_53_UDP="udp://10.0.0.1:53",
        TAOSINK_TEST_KAFKA="localhost:9092",
    )


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("TAOSINK_KAFKA_GROUP_PORTOCOL", "TAOSINK_KAFKA_GROUP_PROTOCOL"),
        ("TAOSINK_HTTP_PORTS", ""),
        ("TAOSINK_SERVICE_NAME", ""),
        ("TAOSINK_PORT_80", ""),
        ("TAOSINK_PORT_80_HTTP", ""),
    ],
)
def test_what_only_looks_like_kubernetes_is_an_error(variable: str, nearest: str) -> None:
    """A misspelt name that holds _PORT or _SERVICE_ is as wrong as any other."""
    (problem,) = problems(env={variable: "x"})
    assert problem.setting == variable
    assert problem.fault.endswith(nearest)


def test_variables_of_another_command_are_passed_over() -> None:
    """One environment file serves all processes of a deployment."""
    consumer(TAOSINK_SIM_TABLES="5", TAOSINK_EMBEDDED_LISTEN="127.0.0.1:0")
    load(ProducerSettings, environ={"TAOSINK_WORKER": "9"})


def test_a_file_may_be_written_in_tables_and_in_dotted_keys(tmp_path: Path) -> None:
    """Numbers, booleans, times and lists are TOML's own."""
    path = toml(
        tmp_path,
        """
        topic = ["a", "b"]
        "linger.time" = "1s"
        min.batch.size = 7
        [kafka]
        group = "g"
        tls = true
        offset = 2025-01-31T08:00:00Z
        group-protocol = "classic"
        [kafka.properties]
        client.id = "edge"
        "socket.keepalive.enable" = true
        [sim]
        tables = 5
        """,
    )
    settings = consumer(config=path).settings
    assert settings.group.topic == ("a", "b")
    assert settings.group.name == "g"
    assert settings.group.offset == datetime(2025, 1, 31, 8, tzinfo=UTC)
    assert settings.group.protocol == "classic"
    assert settings.queue.linger == 1
    assert settings.queue.min_batch == 7
    assert settings.kafka.tls
    assert dict(settings.kafka.properties) == {"client.id": "edge", "socket.keepalive.enable": "true"}


def test_the_file_can_be_named_by_a_variable(tmp_path: Path) -> None:
    """--config stands over it."""
    path = toml(tmp_path, "worker = 2\n")
    assert consumer(TAOSINK_CONFIG=str(path)).settings.queue.workers == 2


def test_wrong_keys_in_a_file_are_named_with_the_nearest(tmp_path: Path) -> None:
    """All of them, with the file."""
    path = toml(tmp_path, "workr = 2\n[kafka]\nbroker = 'a:1'\nuser = ['x']\n")
    found = {p.setting: p for p in problems(config=path)}
    assert found["workr"].fault.endswith("worker")
    assert found["kafka.broker"].fault.endswith("kafka.brokers")
    assert "one value" in found["kafka.user"].fault
    assert all(str(path) in p.origin for p in found.values())


def test_where_nothing_is_near_no_setting_is_named(tmp_path: Path) -> None:
    """Neither for a variable nor for a key of a file."""
    (variable,) = problems(env={"TAOSINK_XYZZY": "x"})
    assert variable.fault == "is no setting's variable"
    (key,) = problems(config=toml(tmp_path, "xyzzy = 2\n"))
    assert key.fault == "is no setting"


@pytest.mark.parametrize(
    ("text", "setting", "nearest"),
    [
        ("[worker]\nx = 1", "worker.x", "worker"),
        ("[topic]\nname = 'a'", "topic.name", "topic"),
        ("[codec.more]\nx = 1", "codec.more.x", "codec"),
        ("[sim.tables]\nx = 1", "sim.tables.x", "sim.tables"),
        ("[kafka.propertys]\n'client.id' = 'a'", "kafka.propertys.client.id", "kafka.properties"),
    ],
)
def test_below_a_setting_that_is_no_map_nothing_can_stand(
    tmp_path: Path, text: str, setting: str, nearest: str
) -> None:
    """It would be passed over in silence, whether the setting is this command's or another's."""
    (problem,) = problems(config=toml(tmp_path, text))
    assert problem.setting == setting
    assert problem.fault.endswith(f" {nearest}")


def test_a_name_below_a_map_may_be_one_quoted_key(tmp_path: Path) -> None:
    """`"kafka.properties.client.id"` is what the table writes; another command's map is passed over."""
    path = toml(tmp_path, "'kafka.properties.client.id' = 'edge'\n")
    assert dict(consumer(config=path).settings.kafka.properties) == {"client.id": "edge"}
    load(EmbeddedDatabaseSettings, config=str(path), environ={})


@pytest.mark.parametrize("text", ["worker = ", None])
def test_a_file_that_cannot_be_read_is_one_problem(tmp_path: Path, text: str | None) -> None:
    """Whether it is absent or no TOML."""
    path = tmp_path / "taosink.toml" if text is None else toml(tmp_path, text)
    (problem,) = problems(config=path)
    assert problem.setting == "config"
    assert problem.value == str(path)


def test_everything_wrong_is_reported_at_once(tmp_path: Path) -> None:
    """Whatever the layer, and rules between settings too."""
    path = toml(tmp_path, "[dlq]\ntopic = 'test'\n[log]\nlevel = 'loud'\n")
    found = {
        p.setting: p
        for p in problems(
            ("linger.time", "100"),
            ("min.batch.size", "50000"),
            ("kafka.properties", "enable.auto.commit=true"),
            config=path,
            KAFKA_SASL_ENABLE="true",
            TAOSINK_MEMORY_BUDGET="1MiB",
            TAOSINK_WROKER="3",
            TAOSINK_KAFKA_TLS_CA=str(tmp_path / "absent.pem"),
        )
    }
    assert set(found) == {
        "linger.time",
        "min.batch.size",
        "kafka.properties",
        "kafka.user",
        "kafka.password",
        "memory.budget",
        "TAOSINK_WROKER",
        "kafka.tls-ca",
        "dlq.topic",
        "log.level",
    }
    assert (found["linger.time"].origin, found["linger.time"].value) == ("--linger.time", "100")
    assert found["memory.budget"].origin == "TAOSINK_MEMORY_BUDGET"
    assert str(path) in found["log.level"].origin


def test_each_problem_is_one_line() -> None:
    """With the setting, the value, where it came from and what to do."""
    (problem,) = problems(("linger.time", "100"))
    assert str(problem) == (
        "linger.time = '100' (--linger.time): is no duration; write a number with its unit,"
        " such as 200ms, 5s or 1m30s"
    )


@pytest.mark.parametrize("name", sorted(FORBIDDEN_PROPERTIES))
def test_properties_that_would_break_the_account_are_refused(name: str) -> None:
    """With the setting to use instead."""
    (problem,) = problems(("kafka.properties", f"{name}=x"))
    assert name in problem.fault
    assert "instead" in problem.fault or "leave it out" in problem.fault


@pytest.mark.parametrize(
    ("flags", "setting"),
    [
        ({"kafka.group-protocol": "consumer", "kafka.session-timeout": "6s"}, "kafka.session-timeout"),
        ({"kafka.assignor": "uniform"}, "kafka.assignor"),
        ({"kafka.group-protocol": "consumer", "kafka.assignor": "roundrobin"}, "kafka.assignor"),
        ({"kafka.session-timeout": "6s", "kafka.heartbeat-interval": "6s"}, "kafka.heartbeat-interval"),
        ({"topic": "a,b"}, "kafka.group"),
        ({"topic": "^a.*", "dlq.topic": "dead"}, "kafka.group"),
        ({"topic": "^a.*", "kafka.group": "g"}, "dlq.topic"),
        ({"topic": "a", "dlq.topic": "a"}, "dlq.topic"),
        ({"kafka.properties": "no.such.property=1"}, "kafka.properties"),
        ({"route": "no_such_module:row"}, "route"),
        ({"max.queue.size": "10"}, "max.batch.size"),
        ({"revoke.deadline": "30s"}, "revoke.deadline"),
        ({"taos.token": "abcdef"}, "taos.token"),
        ({"taosuri": "nowhere"}, "taosuri"),
        ({"taosuri": "http://db:6041"}, "taos.database"),
        ({"taosuri": "http://db:6041/d", "taos.tls-ca": __file__}, "taos.tls-ca"),
        ({"worker": "0"}, "worker"),
        ({"stats.interval": "0"}, "stats.interval"),
        ({"linger.time": "-1s"}, "linger.time"),
        ({"taos.supertable": "a.b"}, "taos.supertable"),
        ({"taos.supertable": ""}, "taos.supertable"),
        ({"route": "nothing"}, "route"),
        ({"schema.options": "KEEP 1; DROP"}, "schema.options"),
        ({"codec": "xml"}, "codec"),
        ({"kafka.brokers": "kafka"}, "kafka.brokers"),
    ],
)
def test_what_cannot_work_is_refused(flags: dict[str, str], setting: str) -> None:
    """Before anything is connected."""
    assert [p.setting for p in problems(*flags.items())] == [setting]


def test_secrets_come_from_files(tmp_path: Path) -> None:
    """New and old variables with _FILE behind them; the line's end is not part of the secret."""
    path = tmp_path / "password"
    path.write_text("hunter22\n", encoding="utf-8")
    for variable in ("TAOSINK_KAFKA_PASSWORD_FILE", "KAFKA_PASSWORD_FILE"):
        assert consumer(env={variable: str(path)}).settings.kafka.password.get_secret_value() == "hunter22"


def test_a_secret_file_that_is_absent_or_doubled_is_a_problem(tmp_path: Path) -> None:
    """The password itself is not needed to say so."""
    assert problems(KAFKA_PASSWORD_FILE=str(tmp_path / "none"))[0].setting == "KAFKA_PASSWORD_FILE"
    (doubled,) = problems(KAFKA_PASSWORD="hunter22", KAFKA_PASSWORD_FILE="x")
    assert "hunter22" not in str(doubled)


def test_no_secret_stands_in_reprs_dumps_or_problems(tmp_path: Path) -> None:
    """Whatever somebody prints of the settings."""
    given = [
        ("kafka.password", "hunter22-a"),
        ("taos.password", "hunter22-b"),
        ("taosuri", "root:hunter22-c/tcp(h:6030)/db"),
        ("kafka.tls-key-password", "hunter22-d"),
        ("kafka.properties", "sasl.oauthbearer.client.secret=hunter22-e"),
    ]
    loaded = consumer(*given)
    texts = [repr(loaded), str(loaded.settings), f"{loaded.settings.kafka}", repr(loaded.redactor)]
    texts.append(loaded.redactor(" ".join(v for _, v in given)))
    path = toml(tmp_path, "[taos]\ntoken = 'hunter22-f'\n")
    wrong = [*given, ("taosuri", "hunter22-g"), ("kafka.properties", "hunter22-h"), ("topic", "hunter22-a b")]
    texts += map(str, problems(*wrong, ("worker", "x"), config=path))
    assert "hunter22" not in " ".join(texts)


def test_settings_cannot_be_changed() -> None:
    """Every thread sees the same."""
    settings = consumer().settings
    with pytest.raises(ValidationError):
        settings.queue.workers = 9


def test_no_two_settings_of_a_command_share_a_name() -> None:
    """Neither a flag nor a variable, nor is one a prefix table of another in TOML."""
    for model in MODELS.values():
        specs = specs_of(model)
        flags = [f for s in specs for f in s.flags]
        variables = [v for s in specs for v in (s.variable, *s.old_env)]
        assert len(set(flags)) == len(flags)
        assert len(set(variables)) == len(variables)
        assert not [(a.name, b.name) for a in specs for b in specs if b.name.startswith(f"{a.name}.")]


@pytest.mark.parametrize(("command", "spec"), SPECS, ids=[f"{c}:{s.name}" for c, s in SPECS])
def test_no_name_meets_those_that_kubernetes_sets(command: str, spec: Spec) -> None:
    """Else its variable would be passed over when it is misspelt, or set by a cluster."""
    assert "port" not in spec.name
    assert "service" not in spec.name
    assert spec.text.endswith("."), f"{command}: {spec.name} has no sentence of help"
    assert spec.variable == variable_of(spec.name)


def test_variables_that_several_commands_share_mean_the_same() -> None:
    """One environment serves them all."""
    seen: dict[str, str] = {}
    for _, spec in SPECS:
        for variable in (spec.variable, *spec.old_env):
            assert seen.setdefault(variable, spec.name) == spec.name


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_command_starts_with_nothing_given(model: type[CommandSettings]) -> None:
    """All defaults are valid together."""
    assert not load(model, environ={}).notices


def test_there_are_no_more_broken_records_than_records() -> None:
    """More broken records than records cannot be mixed in."""
    with pytest.raises(SettingsError) as caught:
        load(ProducerSettings, [("poison", "11"), ("records", "10")], environ={})
    assert [p.setting for p in caught.value.problems] == ["poison"]

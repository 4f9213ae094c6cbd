"""The variables of docker-compose.yml: each is a setting, holds what is valid, and says the same everywhere."""

import re
from pathlib import Path

import pytest
from support.compose_file import COMMANDS, ROOT, environment, places, services

from taosink.config import MODELS, load
from taosink.settings.layers import variables_of
from taosink.settings.spec import Spec, specs_of

EXAMPLE = ROOT / ".env.example"


def settings_of(name: str) -> dict[str, Spec]:
    """By variable."""
    model = MODELS[name]
    specs = specs_of(model)
    found = {v: spec for spec in specs for v in (spec.variable, *spec.old_env)}
    return found | {f"{v}_FILE": spec for v, spec in found.items() if spec.secret}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_variable_is_a_setting_of_its_command(name: str) -> None:
    """A misspelt one would do nothing, or end the process at its start."""
    assert services()[name]["command"] == [name]
    assert set(environment(name)) <= set(settings_of(name))
    model = MODELS[name]
    prefixed = {v for v in environment(name) if v.startswith("TAOSINK_")}
    assert prefixed <= set(variables_of(specs_of(model), model.obsolete))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_settings_are_valid_as_they_stand(name: str, tmp_path: Path) -> None:
    """Without any .env; secrets and keys are files that `keys` makes."""
    file = tmp_path / "secret"
    file.write_text("k1: 0123456789abcdef0123456789abcdef\n")
    files = {
        "TAOSINK_INGRESS_TOKEN_KEY_FILE",
        "TAOSINK_INGRESS_ADMIN_TOKEN_FILE",
        "TAOSINK_STATUS_TOKEN_FILE",
    }
    environ = {k: str(file) if k in files else v for k, v in environment(name).items()}
    load(MODELS[name], environ=environ)


def test_each_secret_file_is_made_before_it_is_needed() -> None:
    """By `keys`, into the volume that the others read."""
    found = services()
    made = found["keys"]["command"][0]
    for name in ("consumer", "ingress"):
        assert "keys:/var/lib/taosink:ro" in found[name]["volumes"]
        assert found[name]["depends_on"]["keys"] == {"condition": "service_completed_successfully"}
        named = [v for v in environment(name).values() if v.startswith("/var/lib/taosink/")]
        assert named
        assert all(Path(v).name in made for v in named)


def test_no_password_stands_in_the_file() -> None:
    """They come by variables that are empty here, or by files."""
    for name in COMMANDS:
        for variable, value in environment(name).items():
            spec = settings_of(name)[variable]
            if spec.secret and not variable.endswith("_FILE"):
                assert value == "" or (
                    spec.name == "taosuri" and ":" not in value.split("@")[0].split("//")[1]
                )
    for variable, defaults in places().items():
        if "PASSWORD" in variable:
            assert defaults == {""}


@pytest.mark.parametrize(
    ("variable", "names"),
    [
        ("KAFKA_BROKERS", COMMANDS),
        ("TOPIC", COMMANDS),
        ("TAOSURI", ("init", "consumer")),
        ("TAOSINK_TAOS_PASSWORD", ("init", "consumer")),
        ("TAOSINK_TAOS_SUPERTABLE", ("init", "consumer")),
        ("TAOSINK_SCHEMA_PRECISION", ("init", "consumer")),
    ],
)
def test_they_all_speak_of_the_same(variable: str, names: tuple[str, ...]) -> None:
    """Topics, tables and servers."""
    assert len({environment(name)[variable] for name in names}) == 1


def test_kafka_is_reached_by_the_names_that_it_gives_away() -> None:
    """Inside by its service, and on the host by the port that is published there, on loopback alone."""
    given = {"KAFKA_HOST_PORT": "29092"}
    kafka = services(given)["kafka"]
    advertised = dict(a.split("://") for a in kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(","))
    assert advertised == {"INSIDE": "kafka:9092", "HOST": "localhost:29092"}
    assert kafka["ports"] == ["127.0.0.1:29092:19092"]
    assert environment("consumer")["KAFKA_BROKERS"] == advertised["INSIDE"]
    assert environment("kafka")["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_no_simulated_reading_comes_into_a_kafka_of_ones_own() -> None:
    """Whatever brokers the others are given; and it can be left out."""
    given = services({"KAFKA_BROKERS": "mine:9092", "PRODUCERS": "0"})
    assert given["consumer"]["environment"]["KAFKA_BROKERS"] == "mine:9092"
    assert given["producer"]["environment"]["KAFKA_BROKERS"] == "kafka:9092"
    assert given["producer"]["scale"] == "0"


def test_each_variable_is_told_in_the_example_with_its_default() -> None:
    """And none that the file does not ask for."""
    told = dict(re.findall(r"(?m)^#([A-Z_]+)=(.*)$", EXAMPLE.read_text(encoding="utf-8")))
    asked = places()
    assert set(told) == set(asked)
    for variable, defaults in asked.items():
        assert {told[variable]} == defaults, variable


def test_the_example_sets_nothing_by_itself() -> None:
    """Copied as it is, it changes nothing."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    assert all(not line or line.startswith("#") for line in lines)


def test_variables_that_are_no_settings_do_not_look_like_them() -> None:
    """Whoever exports the file would have taosink refuse them."""
    known = {v for model in MODELS.values() for v in variables_of(specs_of(model), model.obsolete)}
    assert {v for v in places() if v.startswith("TAOSINK_")} <= known

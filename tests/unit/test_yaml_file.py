"""The part of YAML that files of settings may be written in."""

from pathlib import Path

import pytest

from taosink.config import load
from taosink.settings.ingress import IngressSettings
from taosink.settings.problems import SettingsError
from taosink.settings.yaml_file import YamlError, parse_yaml

DOCUMENT = """\
---
# the gateway
topic: readings   # where to
ingress:
  tcp-listen: "0.0.0.0:3001"
  response-topics:
  - workers_one
  - 'workers_two'
  max-in-flight: 7
  idle-timeout: 90s
kafka.brokers: [k1:9092, k2:9092]
kafka:
    tls: false
log.level:
"""


def test_maps_lists_and_texts_are_read() -> None:
    """By indentation, with comments and quotes."""
    assert parse_yaml(DOCUMENT) == {
        "topic": "readings",
        "ingress": {
            "tcp-listen": "0.0.0.0:3001",
            "response-topics": ["workers_one", "workers_two"],
            "max-in-flight": "7",
            "idle-timeout": "90s",
        },
        "kafka.brokers": ["k1:9092", "k2:9092"],
        "kafka": {"tls": "false"},
        "log.level": "",
    }


def test_quotes_keep_what_they_hold() -> None:
    """Also a number sign, a colon and the quotes themselves."""
    text = "a: \"x # y: \\\"z\\\"\"\nb: 'it''s'\nc: a#b\nd: ~\n"
    assert parse_yaml(text) == {"a": 'x # y: "z"', "b": "it's", "c": "a#b", "d": ""}


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\na: 2\n",
        "a\n",
        "a:\n\t- b\n",
        "a: &x 1\n",
        "a: *x\n",
        "a: !!python/object x\n",
        "a: |\n  text\n",
        "a: {b: 1}\n",
        'a: "x\n',
        "a: [1, [2]]\n",
        "- a\n- b\n",
        "a: 1\n---\nb: 2\n",
        "a:\n    b: 1\n  c: 2\n",
        "a:\n- b: 1\n",
    ],
)
def test_what_is_not_read_is_refused(text: str) -> None:
    """With the line, rather than guessed at."""
    with pytest.raises(YamlError):
        parse_yaml(text)


@pytest.mark.parametrize("suffix", ["yaml", "yml"])
def test_a_yaml_file_gives_settings(tmp_path: Path, suffix: str) -> None:
    """Told from TOML by its name's end."""
    path = tmp_path / f"gateway.{suffix}"
    path.write_text(DOCUMENT.replace("log.level:\n", ""))

    settings = load(IngressSettings, config=str(path), environ={}).settings

    assert settings.topics.readings == "readings"
    assert settings.listen.tcp == "0.0.0.0:3001"
    assert settings.topics.responses == ("workers_one", "workers_two")
    assert settings.limits.max_in_flight == 7
    assert settings.kafka.brokers == ("k1:9092", "k2:9092")


def test_a_broken_yaml_file_is_told_with_its_line(tmp_path: Path) -> None:
    """As any other setting that cannot be used."""
    path = tmp_path / "gateway.yaml"
    path.write_text("topic: x\ntopic: y\n")

    with pytest.raises(SettingsError) as raised:
        load(IngressSettings, config=str(path), environ={})

    assert "line 2" in str(raised.value.problems[0])

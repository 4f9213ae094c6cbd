"""What librdkafka is told, what it answers in words, and what its errors mean."""

import logging
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import KafkaError

from taosink.kafka.client import (
    check_properties,
    consumer_properties,
    first_protocol,
    is_cooperative,
    security_properties,
)
from taosink.kafka.client_log import ClientLog
from taosink.kafka.errors import fault_of, is_fatal, is_out_of_range, refuses_consumer_protocol
from taosink.kafka.options import SourceOptions

OPTIONS = SourceOptions("127.0.0.1:1", "g", ("t",))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "consumer"),
        ({"static_id": "a"}, "classic"),
        ({"session_timeout": 6.0}, "classic"),
        ({"heartbeat_interval": 1.0}, "classic"),
        ({"assignor": "range"}, "classic"),
        ({"group_protocol": "consumer", "static_id": "a"}, "consumer"),
        ({"group_protocol": "classic"}, "classic"),
    ],
)
def test_what_only_classic_knows_decides_for_it(more: dict[str, Any], expected: str) -> None:
    """Auto tries KIP-848 first, unless something was set that it does not have."""
    assert first_protocol(replace(OPTIONS, **more)) == expected


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"group_protocol": "consumer", "assignor": "uniform", "static_id": "a"},
        {"session_timeout": 2.0},
        {"group_protocol": "classic", "heartbeat_interval": 1.0},
        {"group_protocol": "classic", "assignor": "cooperative-sticky"},
        {"prefetch_bytes": 64 << 10},
        {"properties": {"debug": "fetch", "fetch.wait.max.ms": "50"}},
        {
            "security": security_properties(
                protocol="SASL_SSL", mechanism="SCRAM-SHA-256", user="a", password="b"
            )
        },
    ],
)
def test_librdkafka_takes_what_is_made(more: dict[str, Any]) -> None:
    """Each combination that the settings allow makes a client."""
    assert check_properties(replace(OPTIONS, **more)) is None


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"properties": {"no.such.thing": "1"}}, "no.such.thing"),
        ({"properties": {"fetch.wait.max.ms": "soon"}}, "fetch.wait.max.ms"),
        ({"security": security_properties(protocol="SSL", ca="/no/such/file")}, "ssl.ca.location"),
        ({"security": security_properties(protocol="SASL_PLAINTEXT", mechanism="GUESS")}, "GUESS"),
    ],
)
def test_what_librdkafka_refuses_is_named(more: dict[str, Any], says: str) -> None:
    """Before any connection."""
    assert says in str(check_properties(replace(OPTIONS, **more)))


def test_nothing_that_the_account_rests_on_can_be_replaced() -> None:
    """Whatever stands in kafka.properties."""
    rest = {"enable.auto.commit": "true", "enable.auto.offset.store": "true", "auto.offset.reset": "latest"}
    found = consumer_properties(replace(OPTIONS, properties=rest), "consumer")
    assert (found["enable.auto.commit"], found["enable.auto.offset.store"]) == (False, False)
    assert found["auto.offset.reset"] == "error"


def test_cooperation_follows_protocol_and_strategy() -> None:
    """Differences with KIP-848 and cooperative-sticky, whole assignments with range."""
    sticky = replace(OPTIONS, assignor="cooperative-sticky")
    assert is_cooperative(consumer_properties(OPTIONS, "consumer"))
    assert is_cooperative(consumer_properties(sticky, "classic"))
    assert not is_cooperative(consumer_properties(OPTIONS, "classic"))


def test_secrets_are_not_shown() -> None:
    """Neither in a repr of the options nor in what check_properties says."""
    secret = security_properties(protocol="SASL_PLAINTEXT", mechanism="NONE", user="u", password="hush-hush")
    options = replace(OPTIONS, security=secret, properties={"ssl.key.password": "hush-hush"})
    assert "hush-hush" not in repr(options) + str(check_properties(options))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError._AUTHENTICATION, "authentication"),
        (KafkaError._SSL, "tls"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "authorization"),
        (KafkaError._ALL_BROKERS_DOWN, "brokers_down"),
        (KafkaError._FATAL, "fatal"),
    ],
)
def test_errors_are_classified_by_number(code: int, kind: str) -> None:
    """Each with a hint at what to do."""
    fault = fault_of(KafkaError(code))
    assert fault is not None
    assert (fault.kind, bool(fault.hint)) == (kind, True)


def test_what_librdkafka_gets_over_is_no_fault() -> None:
    """A single connection that broke, for one."""
    assert fault_of(KafkaError(KafkaError._TRANSPORT)) is None
    assert is_fatal(KafkaError(KafkaError._FENCED, "fenced", fatal=True))
    assert is_out_of_range(KafkaError(KafkaError._AUTO_OFFSET_RESET))


def test_a_refusal_of_the_protocol_is_told_from_other_fatal_errors() -> None:
    """Only the first may be answered by the classic protocol."""
    words = "Fatal error: Broker: API version not supported: ConsumerGroupHeartbeat fatal error"
    assert refuses_consumer_protocol(KafkaError(KafkaError._FATAL, words))
    taken = "Fatal error: UNRELEASED_INSTANCE_ID: ConsumerGroupHeartbeat"
    assert not refuses_consumer_protocol(KafkaError(KafkaError._FATAL, taken))


def test_a_debug_line_tells_that_the_protocol_is_unknown() -> None:
    """The one way in which librdkafka says so."""
    client_log = ClientLog()
    client_log.log(logging.DEBUG, "%s [%s] %s", "HEARTBEAT", "rdkafka#1", "Expediting next heartbeat")
    assert not client_log.unsupported
    words = "ConsumerGroupHeartbeatRequest not supported by broker"
    client_log.log(logging.DEBUG, "%s [%s] %s", "COORD", "rdkafka#1", f"marking dead: {words}")
    assert client_log.unsupported


def test_a_log_line_that_cannot_be_formatted_raises_nothing() -> None:
    """Raised within a poll it would throw away that poll's messages; it is kept instead."""
    client_log = ClientLog()
    client_log.log(logging.ERROR, "%d", "no number")
    assert isinstance(client_log.failure, TypeError)

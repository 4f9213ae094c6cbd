"""The topics: those of the consumers, their dead letters, and the gateways' where these are asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from taosink.clients import kafka_properties
from taosink.doctor.brokers import why_no_broker
from taosink.ingress.broker.options import BrokerOptions
from taosink.ingress.broker.own_topics import own_topics
from taosink.kafka.advertised import refuse_unknown_names
from taosink.kafka.compact_topics import ensure_compacted
from taosink.kafka.dead_letter_topics import PARTITIONS, dead_letter_topics, ensure_dead_letter_topics
from taosink.kafka.topics import (
    BROKERS_OWN,
    NOT_ALLOWED,
    STARTING,
    Admin,
    AdminUnsupportedError,
    BrokerUnreachableError,
    Topic,
    TopicError,
    admin_client,
    all_topics,
    ensure_topic,
    refused,
)
from taosink.settings.init import InitSettings
from taosink.setup.outcome import Outcome, State
from taosink.setup.patience import Patience

QUICK = {"reconnect.backoff.max.ms": "1000"}
"""librdkafka's own is ten seconds, by which a broker that starts would be found too late."""
ONE_CALL = 5.0
"""Seconds for one call: so often it is told that nobody answers."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic to be made where it is missing, with so many partitions. `divided`: consumers share them, so that
    fewer are worth a word. `letters`: it holds dead letters."""

    name: str
    partitions: int
    divided: bool = False
    compacted: bool = False
    letters: bool = False


def wanted_topics(settings: InitSettings) -> Sequence[Wanted]:
    """In the order in which they are made; no pattern among them. Pure."""
    names, partitions = settings.topics.topics, settings.make.partitions
    found = [Wanted(name, partitions, divided=True) for name in names if not name.startswith("^")]
    letters = dead_letter_topics(names, dead_letters=settings.topics.dead_letters)
    found += [Wanted(name, PARTITIONS, letters=True) for name in letters]
    if settings.make.gateway:
        own = own_topics(_gateway(settings))
        found += [Wanted(topic.name, topic.partitions, compacted=topic.compacted) for topic in own]
    by_name: dict[str, Wanted] = {}
    for topic in found:
        by_name.setdefault(topic.name, topic)
    return list(by_name.values())


def _gateway(settings: InitSettings) -> BrokerOptions:
    topics, patterns = settings.gateway, settings.topics.topics[0].startswith("^")
    return BrokerOptions(
        properties={},
        server="",
        readings="" if patterns else settings.topics.topics[0],
        requests=topics.requests,
        responses=topics.responses,
        presence=topics.presence,
        commands=topics.commands,
        segments=topics.segments,
        readings_partitions=settings.make.partitions,
    )


def prepare_kafka(settings: InitSettings, patience: Patience) -> Iterator[Outcome]:
    """Waits for a broker, then makes each topic. Nothing is altered. The last outcome is a failure where it could
    not go on."""
    try:
        properties = QUICK | kafka_properties(settings.kafka)
        admin = admin_client(properties)
    except TopicError as error:
        fault = f"the client refuses kafka.properties or kafka.tls-* ({error.reason})"
        yield Outcome(State.FAILED, "Kafka", fault, "mend the settings", refused=True)
        return
    failed = _wait(admin, settings, patience)
    if failed is not None:
        yield failed
        return
    if settings.topics.topics[0].startswith("^"):
        yield Outcome(
            State.LEFT, f"topics {settings.topics.topics[0]}", "a pattern: who writes them makes them"
        )
    for topic in wanted_topics(settings):
        yield _made(_call(topic, admin, properties, settings), topic, patience)


def _wait(admin: Admin, settings: InitSettings, patience: Patience) -> Outcome | None:
    """None once a broker has answered."""
    while True:
        try:
            all_topics(admin, timeout=min(ONE_CALL, max(1.0, patience.rest)))
            refuse_unknown_names(admin, timeout=ONE_CALL)
        except BrokerUnreachableError as error:
            if not refused(error) and patience.again(error.reason):
                continue
            return _unreached(error, settings)
        except TopicError as error:
            return Outcome(
                State.FAILED, "Kafka", f"{error.reason} ({error.name})", _todo(error), refused=True
            )
        return None


def _unreached(error: BrokerUnreachableError, settings: InitSettings) -> Outcome:
    named = error.name == "_RESOLVE" and error.reason
    why = named or why_no_broker(settings.kafka) or f"{error.reason} ({error.name})"
    if refused(error):
        return Outcome(State.FAILED, "Kafka", why, refused=True)
    return Outcome(State.FAILED, "Kafka", f"no broker in {settings.make.timeout:g} s: {why}")


def _call(
    topic: Wanted, admin: Admin, properties: Mapping[str, Any], settings: InitSettings
) -> Callable[[], Topic]:
    replication = settings.make.replication or BROKERS_OWN
    if topic.letters:
        origins = [name for name in settings.topics.topics if not name.startswith("^")]
        return lambda: ensure_dead_letter_topics(
            properties, [topic.name], origins=origins, replication=replication, timeout=ONE_CALL
        )[0]
    if topic.compacted:
        return lambda: _there(
            ensure_compacted(
                admin, topic.name, topic.partitions, create=True, replication=replication, timeout=ONE_CALL
            )
        )
    return partial(
        ensure_topic, admin, topic.name, topic.partitions, replication=replication, timeout=ONE_CALL
    )


def _there(topic: Topic | None) -> Topic:
    assert topic is not None  # noqa: S101 - with `create` there is a topic or an exception
    return topic


def _made(call: Callable[[], Topic], topic: Wanted, patience: Patience) -> Outcome:
    thing = f"topic {topic.name}"
    while True:
        try:
            return judge(topic, call())
        except BrokerUnreachableError as error:
            if not refused(error) and patience.again(f"{thing}: {error.reason}"):
                continue
            return Outcome(State.FAILED, thing, f"{error.reason} ({error.name})", _todo(error))
        except AdminUnsupportedError:
            do = "make it by the broker's own tools, or let it create topics by itself"
            return Outcome(State.FAILED, thing, "making a topic is not supported by this broker", do)
        except TopicError as error:
            if error.code in STARTING and patience.again(f"{thing}: {error.reason}"):
                continue
            return Outcome(State.FAILED, thing, f"{error.reason} ({error.name})", _todo(error))


def judge(wanted: Wanted, found: Topic) -> Outcome:
    """What is said of a topic that is there now. Pure."""
    thing = f"topic {wanted.name}"
    count = "1 partition" if found.partitions == 1 else f"{found.partitions:,} partitions"
    state = State.MADE if found.created else State.THERE
    if found.partitions >= wanted.partitions or not wanted.divided:
        return Outcome(state, thing, count)
    do = (
        "nothing was altered, since devices move to other partitions when some are added: stop the writers, let"
        f" everything be stored, then run kafka-topics.sh --alter --topic {wanted.name}"
        f" --partitions {wanted.partitions} --bootstrap-server ..."
    )
    who = " by the broker itself" if found.created else ""
    return Outcome(State.WARNING, thing, f"{state}{who} with {count}, not {wanted.partitions:,}", do)


def _todo(error: TopicError) -> str:
    if error.code in NOT_ALLOWED:
        return "grant this user CREATE on the topic, or make it by the broker's own tools"
    if "AUTHENTICATION" in error.name or "SASL" in error.name:
        return "check kafka.user, kafka.password and kafka.sasl-mechanism"
    if "REPLICATION" in error.name:
        return "give init.replication no more than there are brokers"
    return "check the brokers, and run it again"

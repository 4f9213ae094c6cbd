"""What settings must hold together. Each rule sees only values that are right by themselves."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taosink.settings.kinds import Properties
from taosink.settings.problems import Notice, Problem

if TYPE_CHECKING:
    from taosink.taos.address import Address

MEMORY_FLOOR = 32 * 1024 * 1024

Values = Mapping[str, Any]
Faults = Iterator[tuple[str, str]]

_PREFETCH = "give memory.budget instead, which sets the prefetch"
_ACCOUNT = "leave it out: offsets are committed when their records are stored, and only then"
FORBIDDEN_PROPERTIES: Mapping[str, str] = {
    "enable.auto.commit": _ACCOUNT,
    "enable.auto.offset.store": _ACCOUNT,
    "auto.commit.enable": _ACCOUNT,
    "auto.commit.interval.ms": "give commit.interval instead",
    "offset.store.method": _ACCOUNT,
    "auto.offset.reset": "give kafka.offset instead",
    "bootstrap.servers": "give kafka.brokers instead",
    "metadata.broker.list": "give kafka.brokers instead",
    "group.id": "give kafka.group instead",
    "group.protocol": "give kafka.group-protocol instead",
    "group.protocol.type": "give kafka.group-protocol instead",
    "group.remote.assignor": "give kafka.assignor instead",
    "partition.assignment.strategy": "give kafka.assignor instead",
    "group.instance.id": "give kafka.static-id instead",
    "session.timeout.ms": "give kafka.session-timeout instead",
    "heartbeat.interval.ms": "give kafka.heartbeat-interval instead",
    "queued.min.messages": _PREFETCH,
    "queued.max.messages.kbytes": _PREFETCH,
    "fetch.queue.backoff.ms": _PREFETCH,
    "fetch.max.bytes": _PREFETCH,
    "max.partition.fetch.bytes": _PREFETCH,
    "fetch.message.max.bytes": _PREFETCH,
    "enable.partition.eof": "leave it out: it is set where it is needed",
    "enable.idempotence": "leave it out: records and dead letters are produced idempotently",
    "acks": "leave it out: a record counts as produced when all replicas have it",
    "request.required.acks": "leave it out: a record counts as produced when all replicas have it",
    "transactional.id": "leave it out: nothing is produced in transactions",
    "plugin.library.paths": "leave it out: plugins run unchecked code inside the client",
}


@dataclass(frozen=True, slots=True)
class Rule:
    needs: tuple[str, ...]
    check: Callable[[Values], Faults]


RULES: list[Rule] = []


def rule(*needs: str) -> Callable[[Callable[[Values], Faults]], Callable[[Values], Faults]]:
    """Registers a check over these settings; it is passed over where one of them is wrong or absent."""

    def register(check: Callable[[Values], Faults]) -> Callable[[Values], Faults]:
        RULES.append(Rule(needs, check))
        return check

    return register


def broken_rules(values: Values) -> list[Problem]:
    """Every rule that these values break."""
    return [
        Problem(name, fault)
        for r in RULES
        if all(n in values for n in r.needs)
        for name, fault in r.check(values)
    ]


def remarks(values: Values) -> list[Notice]:
    """What works, but hardly as it was meant."""
    found = []
    if values.get("kafka.user") and not values.get("kafka.sasl-enable"):
        found.append(Notice("settings.sasl_user_unused", {"do": "set kafka.sasl-enable to log in"}))
    found += [
        Notice("settings.certificates_unchecked", {"setting": name})
        for name in ("kafka.tls-verify", "taos.tls-verify")
        if values.get(name) is False
    ]
    return found


@rule("kafka.properties")
def _forbidden_properties(values: Values) -> Faults:
    properties: Properties = values["kafka.properties"]
    for name in properties:
        if name in FORBIDDEN_PROPERTIES:
            yield "kafka.properties", f"{name} cannot be given here: {FORBIDDEN_PROPERTIES[name]}"
        elif name.endswith("_cb") or name in {"on_commit", "on_delivery", "logger"}:
            yield "kafka.properties", f"{name} is a callback of a program, and no property"


@rule("kafka.sasl-enable", "kafka.user", "kafka.password")
def _sasl(values: Values) -> Faults:
    if not values["kafka.sasl-enable"]:
        return
    if not values["kafka.user"]:
        yield "kafka.user", "is needed, because kafka.sasl-enable is set"
    if not values["kafka.password"].get_secret_value():
        yield "kafka.password", "is needed, because kafka.sasl-enable is set"


@rule("kafka.tls", "kafka.tls-ca", "kafka.tls-cert", "kafka.tls-key")
def _tls(values: Values) -> Faults:
    given = [n for n in ("kafka.tls-ca", "kafka.tls-cert", "kafka.tls-key") if values[n] is not None]
    if given and not values["kafka.tls"]:
        # Going on would send in the clear what its writer believes encrypted.
        yield given[0], "is given, but kafka.tls is not set; set it, or leave this out"
    if (values["kafka.tls-cert"] is None) != (values["kafka.tls-key"] is None):
        missing = "kafka.tls-key" if values["kafka.tls-key"] is None else "kafka.tls-cert"
        yield missing, "is needed too: a client's certificate and its key go together"


@rule("topic", "kafka.group")
def _group(values: Values) -> Faults:
    topics = values["topic"]
    if not values["kafka.group"] and (len(topics) > 1 or topics[0].startswith("^")):
        yield "kafka.group", "is needed where topic names several topics or a pattern"


@rule("topic", "dlq.topic")
def _dead_letters(values: Values) -> Faults:
    if values["dlq.topic"] in values["topic"]:
        yield "dlq.topic", "is a topic that is read: its letters would come round again"
        return
    # It loads the Kafka client, which help and version do without.
    from taosink.kafka.dead_letter_topics import (  # noqa: PLC0415
        SubscriptionMatchesDeadLettersError,
        refuse_own_topics,
    )

    try:
        refuse_own_topics(values["topic"], dead_letters=values["dlq.topic"])
    except SubscriptionMatchesDeadLettersError as error:
        yield "dlq.topic", str(error)


@rule("kafka.properties", "kafka.group", "kafka.group-protocol")
def _client_properties(values: Values) -> Faults:
    properties: Properties = values["kafka.properties"]
    if not properties or any(name in FORBIDDEN_PROPERTIES for name in properties):
        return
    # Lazily, as above.
    from taosink.kafka.client import check_properties  # noqa: PLC0415
    from taosink.kafka.options import SourceOptions  # noqa: PLC0415

    options = SourceOptions(brokers="localhost", group="g", topics=("t",), properties=dict(properties))
    if problem := check_properties(options):
        yield "kafka.properties", problem


@rule("route")
def _route(values: Values) -> Faults:
    if not values["route"]:
        return
    # It imports the user's own module, which may import anything.
    from taosink.records.routes import RouteError, load_route  # noqa: PLC0415

    try:
        load_route(values["route"])
    except RouteError as error:
        yield "route", str(error)


@rule("kafka.group-protocol", "kafka.assignor", "kafka.session-timeout", "kafka.heartbeat-interval")
def _protocol(values: Values) -> Faults:
    protocol, assignor = values["kafka.group-protocol"], values["kafka.assignor"]
    if protocol == "consumer":
        for name in ("kafka.session-timeout", "kafka.heartbeat-interval"):
            if values[name] is not None:
                yield name, "is the broker's own with kafka.group-protocol consumer; leave it out"
        if assignor in {"roundrobin", "cooperative-sticky"}:
            yield "kafka.assignor", f"{assignor} is of the classic protocol; write range or uniform"
    elif assignor == "uniform":
        yield "kafka.assignor", "uniform is of the consumer protocol; set kafka.group-protocol to consumer"


@rule("kafka.session-timeout", "kafka.heartbeat-interval")
def _heartbeat(values: Values) -> Faults:
    session, heartbeat = values["kafka.session-timeout"], values["kafka.heartbeat-interval"]
    if session is not None and heartbeat is not None and heartbeat >= session:
        yield "kafka.heartbeat-interval", "must be below kafka.session-timeout, best a third of it"


@rule("min.batch.size", "max.batch.size")
def _batch(values: Values) -> Faults:
    if values["min.batch.size"] > values["max.batch.size"]:
        yield "min.batch.size", f"must not be above max.batch.size ({values['max.batch.size']})"


@rule("max.batch.size", "max.queue.size")
def _queue(values: Values) -> Faults:
    if values["max.batch.size"] > values["max.queue.size"]:
        yield "max.batch.size", f"must not be above max.queue.size ({values['max.queue.size']})"


@rule("memory.budget")
def _memory(values: Values) -> Faults:
    if values["memory.budget"] < MEMORY_FLOOR:
        yield "memory.budget", "is too small to run in; give at least 32MiB"


@rule("stop.deadline", "revoke.deadline")
def _stop(values: Values) -> Faults:
    if values["revoke.deadline"] > values["stop.deadline"]:
        yield "revoke.deadline", "must not be above stop.deadline"


@rule("taosuri", "taos.token", "taos.tls-ca")
def _address(values: Values) -> Faults:
    address = _parsed(values)
    if values["taos.token"].get_secret_value() and address.kind != "rest":
        yield "taos.token", "works over REST alone; write taosuri as http(s)://host:6041/db"
    if values["taos.tls-ca"] is not None and not address.tls:
        yield (
            "taos.tls-ca",
            "is given, but taosuri does not speak TLS; write it as https://..., or leave this out",
        )


@rule("taosuri", "taos.database", "route")
def _database(values: Values) -> Faults:
    if not (values["taos.database"] or values["route"] or _parsed(values).database):
        yield "taos.database", "is needed, because the address in taosuri names no database"


def _parsed(values: Values) -> "Address":
    # Lazily as in the address's own check, which has passed.
    from taosink.taos.address import parse  # noqa: PLC0415

    return parse(values["taosuri"].get_secret_value())


@rule("reset", "taosuri", "sim.database")
def _reset(values: Values) -> Faults:
    if values["reset"] and not (values["sim.database"] or _parsed(values).database):
        yield "sim.database", "is needed by reset, because the address in taosuri names no database"


@rule("shape", "sim.columns")
def _columns(values: Values) -> Faults:
    if values["shape"] == "demo" and values["sim.columns"] not in {0, 4}:
        yield "sim.columns", "cannot be chosen in shape demo, which has 4"


@rule("poison", "records", "sim.tables", "sim.records-per-table")
def _poison(values: Values) -> Faults:
    total = values["records"] or values["sim.tables"] * values["sim.records-per-table"]
    if values["poison"] > total:
        yield "poison", f"must not be above the number of records ({total})"


@rule("demo.poison", "demo.records")
def _demo_poison(values: Values) -> Faults:
    if values["demo.poison"] > values["demo.records"]:
        yield "demo.poison", f"must not be above the number of records ({values['demo.records']})"

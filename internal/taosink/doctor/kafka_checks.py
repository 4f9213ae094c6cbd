"""The checks of everything that a consumer needs of Kafka, in the order in which they build on each other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from taosink.clients import kafka_properties
from taosink.doctor.bounded import Late, all_within, within
from taosink.doctor.brokers import knock, place
from taosink.doctor.findings import (
    Finding,
    Status,
    counted,
    failed,
    not_checked,
    ok,
    softened,
    warning,
)
from taosink.doctor.spoken import Heard, Spoken, reach, resolve
from taosink.kafka.dead_letter_topics import SUFFIX, SubscriptionMatchesDeadLettersError, refuse_own_topics
from taosink.kafka.group_admin import Cluster, GroupClient, GroupError, GroupState, GroupUnsupportedError
from taosink.kafka.topic_reader import TopicMissingError
from taosink.kafka.topics import TopicError, admin_client, topic_config
from taosink.offsets.state import Place, chosen, places
from taosink.settings.consumer import ConsumerSettings


@dataclass(slots=True)
class Kafka:
    """What the checks have learned; each fills in what the next ones need."""

    settings: ConsumerSettings
    timeout: float
    sample: int = 20
    cluster: Cluster | None = None
    topics: Mapping[str, int] = field(default_factory=dict)
    group: GroupState | None = None
    away: bool = False
    places: Sequence[Place] = ()

    @property
    def properties(self) -> Mapping[str, Any]:
        return kafka_properties(self.settings.kafka)

    def client(self) -> GroupClient:
        return GroupClient(self.properties, self.settings.group.name, timeout=self.timeout)


def check_kafka(seen: Kafka) -> Iterator[Finding]:
    """Each check blocks for about the timeout at most. What builds on a failed one is told as not checked."""
    names = list(check_names("kafka name", [place(b) for b in seen.settings.kafka.brokers], seen.timeout))
    yield from softened(names)
    doors = softened(knock(seen.settings.kafka, seen.timeout))
    yield from doors
    if all(door.status is Status.FAILED for door in doors):
        yield not_checked("kafka", "login, topic, group and dead letters: no broker is reached")
        return
    for name, check in _CHECKS:
        finding = _guarded(name, seen, check)
        yield finding
        if name == "topic" and not seen.topics:
            yield not_checked("group", "there is no topic to be in")
            return
        if name == "topic" and seen.away:
            yield not_checked(
                "group", "nor dead letters: no broker is reached at the address that it advertises"
            )
            return
        if name == "kafka login" and seen.cluster is None:
            yield not_checked("kafka", "topic, group and dead letters: no broker lets us in")
            return


def check_names(check: str, addresses: Sequence[tuple[str, int]], timeout: float) -> Iterator[Finding]:
    """Whether names are known here. One line for all that are, one for each that is not."""
    found = all_within(timeout, [partial(_resolved, *address) for address in addresses])
    known = []
    for (host, _), answer in zip(addresses, found, strict=True):
        if isinstance(answer, Late):
            yield failed(check, f"{host}: the resolver gave no answer in {timeout:g} s", "check DNS")
        elif isinstance(answer, OSError):
            yield failed(check, f"{host} is not known here ({answer.strerror})", "check the name and DNS")
        elif answer != [host.strip("[]")]:
            known.append(f"{host} is {', '.join(answer)}")
        else:
            known.append(host)
    if known:
        yield ok(check, "; ".join(dict.fromkeys(known)))


def _resolved(host: str, number: int) -> Sequence[str] | OSError:
    try:
        return resolve(host, number)
    except OSError as error:
        return error


def _guarded(name: str, seen: Kafka, check: Callable[[Kafka], Finding]) -> Finding:
    try:
        return within(seen.timeout * 2, lambda: check(seen))
    except Late:
        return failed(name, f"no answer in {2 * seen.timeout:g} s", "check the brokers and the network")
    except TopicMissingError as error:
        return failed(name, str(error), "create it; a consumer begins by itself once it is there")
    except (TopicError, GroupError) as error:
        return failed(name, f"{error.reason} ({error.name})", _what_to_do(error.name))


def _what_to_do(name: str) -> str:
    if "AUTHENTICATION" in name or "SASL" in name:
        return "check kafka.user, kafka.password and kafka.sasl-mechanism"
    if "AUTHORIZATION" in name:
        return "grant this user READ on the topic and on the group"
    if "SSL" in name:
        return "check kafka.tls-ca, kafka.tls-cert and kafka.tls-key"
    return "check kafka.brokers, kafka.tls and kafka.sasl-enable against the brokers' listeners"


def _login(seen: Kafka) -> Finding:
    with seen.client() as client:
        seen.cluster = client.cluster()
    user = f"as {seen.settings.kafka.user}: " if seen.settings.kafka.sasl_enable else ""
    brokers = counted(len(seen.cluster.brokers), "broker")
    return ok("kafka login", f"{user}cluster {seen.cluster.id or 'without id'}, {brokers}")


def _advertised(seen: Kafka) -> Finding:
    """Clients are sent on to the addresses that brokers advertise, which may be known elsewhere only."""
    addresses = seen.cluster.brokers if seen.cluster else ()
    works = [partial(reach, *address, seen.timeout * 0.9) for address in addresses]
    found = zip(addresses, all_within(seen.timeout, works), strict=True)
    away = [_shown(*address, trouble) for address, trouble in found if trouble is not None]
    seen.away = bool(addresses) and len(away) == len(addresses)
    shown = ", ".join(f"{host}:{number}" for host, number in addresses)
    if away:
        return failed(
            "kafka advertised",
            f"brokers send clients to {', '.join(away)}, not reached from here",
            "set the brokers' advertised.listeners to addresses that this machine knows and reaches",
        )
    return ok("kafka advertised", shown)


def _shown(host: str, number: int, trouble: Heard | Late) -> str:
    unknown = isinstance(trouble, Heard) and trouble.spoken is Spoken.UNRESOLVED
    return f"{host}:{number}" + (" (a name that is not known here)" if unknown else "")


def _topic(seen: Kafka) -> Finding:
    group, workers = seen.settings.group, seen.settings.queue.workers
    known = seen.cluster.topics if seen.cluster else {}
    seen.topics = chosen(known, group.topic)
    try:
        refuse_own_topics(group.topic, dead_letters=seen.settings.dead_letters.topic, known_topics=known)
    except SubscriptionMatchesDeadLettersError as error:
        return failed("topic", str(error), "change topic or dlq.topic")
    count = sum(seen.topics.values())
    shown = f"{', '.join(list(seen.topics)[:5])}: {counted(count, 'partition')}"
    if workers > count:
        shown += f", so that {count} of a consumer's {workers} workers write at once"
    return ok("topic", shown)


def _group(seen: Kafka) -> Finding:
    name, offset = seen.settings.group.name, seen.settings.group.offset
    with seen.client() as client:
        seen.places = places(client, seen.topics)
        try:
            seen.group = client.state()
        except GroupUnsupportedError:
            seen.group = None
    stopped = [p for p in seen.places if p.stopped]
    if stopped:
        first = stopped[0]
        where = f"{first.lane.topic}/{first.lane.partition}: {first.note}"
        do = "decide where it goes on: taosink offsets reset"
        return failed("group", f"{name}: {counted(len(stopped), 'partition')} cannot go on ({where})", do)
    lost = sum(p.lost for p in seen.places)
    lag = sum(p.lag or 0 for p in seen.places)
    if lost:
        do = "nothing brings them back; lengthen the topic's retention, or add consumers"
        return warning(
            "group", f"{name}: {lost:,} offsets were removed before they were read; lag {lag:,}", do
        )
    if all(p.commit is None for p in seen.places):
        return ok("group", f"{name}: {_who(seen.group)}; nothing committed, starts at {offset}")
    return ok("group", f"{name}: {_who(seen.group)}; lag {lag:,}")


def _who(group: GroupState | None) -> str:
    if group is None:
        return "this broker does not tell its members"
    if not group.members:
        return "no members"
    protocol = f" ({group.protocol})" if group.protocol else ""
    return f"{group.state}, {counted(len(group.members), 'member')}{protocol}"


def _consumers(seen: Kafka) -> Finding:
    count = sum(seen.topics.values())
    if seen.group is None:
        return not_checked("consumers", "this broker does not tell who is in a group")
    members = len(seen.group.members)
    if members < count:
        return ok(
            "consumers", f"{members} for {counted(count, 'partition')}: room for {count - members} more"
        )
    idle = members - count
    detail = f"{members} for {counted(count, 'partition')}: " + (
        f"{idle} get none" if idle else "one more would get none"
    )
    return warning("consumers", detail, "add partitions to the topic before consumers")


def _dead_letters(seen: Kafka) -> Finding:
    known = seen.cluster.topics if seen.cluster else {}
    given = seen.settings.dead_letters.topic
    wanted = [given] if given else [name + SUFFIX for name in seen.topics]
    missing = [name for name in wanted if name not in known]
    if missing:
        return ok("dead letters", f"{', '.join(missing)} is not there yet: consumers make it, where they may")
    with seen.client() as client:
        found = places(client, {name: known[name] for name in wanted}, ids=False)
    letters = sum(p.high - p.low for p in found)
    shown = f"{', '.join(wanted)}: {counted(letters, 'record')}" + (" (taosink dlq list)" if letters else "")
    return _forgetful(seen, wanted, shown) or ok("dead letters", shown)


def _forgetful(seen: Kafka, topics: Sequence[str], shown: str) -> Finding | None:
    """Letters keep the timestamps of their records: a retention takes those of an old backlog at once."""
    admin = admin_client(seen.properties)
    for topic in topics:
        config = topic_config(admin, topic, timeout=seen.timeout / 2)
        kept, policy = config.get("retention.ms", "-1"), config.get("cleanup.policy", "delete")
        if kept != "-1" or "compact" in policy:
            detail = f"{shown}; {topic} forgets letters (retention.ms {kept}, cleanup.policy {policy})"
            return warning("dead letters", detail, "set retention.ms=-1 and cleanup.policy=delete on it")
    return None


_CHECKS: Sequence[tuple[str, Callable[[Kafka], Finding]]] = (
    ("kafka login", _login),
    ("kafka advertised", _advertised),
    ("topic", _topic),
    ("group", _group),
    ("consumers", _consumers),
    ("dead letters", _dead_letters),
)

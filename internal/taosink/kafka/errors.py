"""What an error of the Kafka client means: decided by number here, and nowhere else."""

import re
from dataclasses import dataclass
from typing import Literal

from confluent_kafka import KafkaError

from taosink.kafka.start import Blocked

FaultKind = Literal["authentication", "tls", "authorization", "brokers_down", "topic_missing", "fatal"]

_KINDS: dict[int, FaultKind] = {
    KafkaError._AUTHENTICATION: "authentication",
    KafkaError.SASL_AUTHENTICATION_FAILED: "authentication",
    KafkaError.UNSUPPORTED_SASL_MECHANISM: "authentication",
    KafkaError.ILLEGAL_SASL_STATE: "authentication",
    KafkaError._SSL: "tls",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "authorization",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "authorization",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "authorization",
    KafkaError._ALL_BROKERS_DOWN: "brokers_down",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "topic_missing",
    KafkaError._UNKNOWN_TOPIC: "topic_missing",
    KafkaError._FATAL: "fatal",
}

_HINTS: dict[FaultKind, str] = {
    "authentication": "check kafka.sasl.* (user, password, mechanism)",
    "tls": "check kafka.tls.* (CA, certificate, key) and that the port speaks TLS",
    "authorization": "grant READ on the topic and on the group",
    "brokers_down": "check kafka.brokers and the network; reading goes on by itself when one answers",
    "topic_missing": "create the topic; reading begins by itself when it is there",
    "fatal": "the client's handle is dead; the process ends and must be started again",
}


_OPERATORS: frozenset[FaultKind] = frozenset({"authentication", "tls", "authorization"})
"""Faults that no waiting ends."""


@dataclass(frozen=True, slots=True)
class SourceFault:
    """What is wrong with the source now, for health and for a start that cannot succeed. `code` is
    librdkafka's (negative) or Kafka's number, 0 where neither named one. `do` is better advice than the kind's."""

    kind: FaultKind
    code: int
    detail: str
    do: str = ""

    @property
    def hint(self) -> str:
        return self.do or _HINTS[self.kind]

    @property
    def operator(self) -> bool:
        """Whether it takes somebody to end it."""
        return self.kind in _OPERATORS

    def __str__(self) -> str:
        return f"{self.detail}; {self.hint}"


_UNKNOWN_NAME = re.compile(r"(\S+)/(\d+|bootstrap): Failed to resolve ")


def unknown_name(address: str, *, advertised: bool) -> SourceFault:
    """A broker's name that is not known here: its own, as it sends clients on to it, or that of the settings."""
    if not advertised:
        do = "check kafka.brokers and DNS; it goes on by itself when the name is known"
        return SourceFault(
            "brokers_down", KafkaError._RESOLVE, f"the name in {address} is not known here", do
        )
    return SourceFault(
        "brokers_down",
        KafkaError._RESOLVE,
        f"the brokers send clients on to {address} (advertised.listeners), a name that is not known here",
        "start that broker if it is stopped; else set its advertised.listeners to an address that this machine"
        " reaches, or make the name known here (DNS, hosts)",
    )


def _name_fault(error: KafkaError) -> SourceFault | None:
    """Only the text tells which name it was, and whether a broker gave it or the settings."""
    found = _UNKNOWN_NAME.search(error.str())
    return unknown_name(found[1], advertised=found[2] != "bootstrap") if found else None


class FatalClientError(Exception):
    """librdkafka declared its handle dead. Nothing is lost: what had not ended is read again after a
    restart."""

    exit_code = 4

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(f"the Kafka client failed for good: {detail}; {_HINTS['fatal']}")
        self.code = code
        self.detail = detail


def fault_of(error: KafkaError) -> SourceFault | None:
    """The fault that an error means; None for what librdkafka gets over by itself.

    A name that is not known is one only where no other broker is reached.
    """
    if error.code() == KafkaError._RESOLVE:
        return _name_fault(error)
    kind: FaultKind | None = "fatal" if is_fatal(error) else _KINDS.get(error.code())
    return None if kind is None else SourceFault(kind, error.code(), error.str())


def is_fatal(error: KafkaError) -> bool:
    """Both are asked: `fatal()` is false on the error that poll returns for a dead handle."""
    return error.code() == KafkaError._FATAL or error.fatal()


def refuses_consumer_protocol(error: KafkaError) -> bool:
    """A broker that knows KIP-848 and has it switched off makes the handle fatal, and says so in words
    only."""
    text = error.str()
    return is_fatal(error) and "ConsumerGroupHeartbeat" in text and "not supported" in text


def is_out_of_range(error: KafkaError) -> bool:
    """No offset to go on from: `auto.offset.reset=error` hands the decision to us."""
    return error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)


_TRUNCATED = "log truncation"
_UNREADABLE = frozenset((KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION, KafkaError._NOT_IMPLEMENTED))
"""Of a batch of records; librdkafka passes over it, or asks for it for ever."""


def beyond_help(error: KafkaError, position: int, offset: int | None) -> Blocked | None:
    """Why a partition that was read up to `position` cannot be read on, by an error that names `offset`; None where
    it can, or where asking the broker tells how. Records before the place that it gives are good.

    Of a truncated log nothing but the text tells: its end may have grown past the position again.
    """
    if error.code() in _UNREADABLE:
        at = max(position, offset or 0)
        return Blocked(
            "unreadable",
            at,
            f"records from offset {at} on cannot be read ({error.str()}): the log is damaged, or a newer producer "
            f"wrote them; mend the topic, or, once the group has committed {at}, reset its offsets to behind them "
            "(what is passed over so is lost)",
        )
    if error.code() == KafkaError._LOG_TRUNCATION or (is_out_of_range(error) and _TRUNCATED in error.str()):
        return Blocked(
            "truncated",
            position,
            f"the broker lost acknowledged records before offset {position} ({error.str()}), and others may stand "
            f"there now; once the group has committed {position}, reset its offsets to the end that the broker names",
        )
    return None

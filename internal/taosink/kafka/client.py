"""What librdkafka is told: security and consumer properties, from plain arguments."""

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaException

from taosink.kafka.options import SourceOptions

REFUSAL_DEBUG = "cgrp"
"""The debug context in which librdkafka tells that a broker has never heard of KIP-848."""


def security_properties(
    *,
    protocol: str = "PLAINTEXT",
    ca: str = "",
    certificate: str = "",
    key: str = "",
    key_password: str = "",
    verify: bool = True,
    mechanism: str = "",
    user: str = "",
    password: str = "",
) -> dict[str, str]:
    """librdkafka's properties for TLS and SASL; `ca`, `certificate` and `key` are paths of PEM files."""
    found = {"security.protocol": protocol}
    if "SSL" in protocol:
        found |= {
            "ssl.ca.location": ca,
            "ssl.certificate.location": certificate,
            "ssl.key.location": key,
            "ssl.key.password": key_password,
        }
        if not verify:
            found["enable.ssl.certificate.verification"] = "false"
    if protocol.startswith("SASL"):
        found |= {"sasl.mechanism": mechanism or "PLAIN", "sasl.username": user, "sasl.password": password}
    return {name: value for name, value in found.items() if value}


def first_protocol(options: SourceOptions) -> str:
    """The group protocol to try first. What only the classic one knows decides for it; KIP-848 takes a static
    member that was killed for a fatal error until the broker has given it up."""
    if options.group_protocol != "auto":
        return options.group_protocol
    classic_only = options.static_id or options.session_timeout or options.heartbeat_interval
    return "classic" if classic_only or options.assignor else "consumer"


def consumer_properties(options: SourceOptions, protocol: str) -> dict[str, Any]:
    """Everything but callbacks. What must hold for the account stands last, so that nothing replaces it."""
    fetch = max(64 << 10, options.prefetch_bytes // 4)
    found: dict[str, Any] = {
        "client.id": options.client_id,
        # A topic or a partition that is added is found at the next refresh; the default is five minutes.
        "topic.metadata.refresh.interval.ms": 10_000,
        # A partition that is resumed is asked for when the request on the way has been answered, which the broker
        # delays for so long (500 ms by default) while the others have nothing new.
        "fetch.wait.max.ms": 100,
        "max.partition.fetch.bytes": min(1 << 20, fetch),
        **options.security,
        **options.properties,
        "bootstrap.servers": options.brokers,
        "group.id": options.group,
        "group.protocol": protocol,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        # The default waits for a second when the queue is full: 49,000 against 1,650,000 messages/s at 1 MiB.
        "fetch.queue.backoff.ms": 10,
        "queued.max.messages.kbytes": max(1, options.prefetch_bytes >> 10),
        # One answer is taken whole, above the bound of the queue, and may be compressed.
        "fetch.max.bytes": fetch,
        "message.max.bytes": min(fetch, 1_000_000),
    }
    if protocol == "classic":
        found["partition.assignment.strategy"] = options.assignor or "range"
        if options.session_timeout:
            found["session.timeout.ms"] = round(options.session_timeout * 1000)
        # librdkafka's own interval is 3 s, which a shorter session does not outlive.
        heartbeat = options.heartbeat_interval or min(3.0, (options.session_timeout or 45.0) / 3)
        found["heartbeat.interval.ms"] = round(heartbeat * 1000)
    elif options.assignor:
        found["group.remote.assignor"] = options.assignor
    if options.static_id:
        found["group.instance.id"] = options.static_id
    if options.group_protocol == "auto" and protocol == "consumer" and "debug" not in found:
        found["debug"] = REFUSAL_DEBUG
    return found


def admin_properties(options: SourceOptions) -> dict[str, Any]:
    """What a client needs to reach the same brokers."""
    prefixes = ("ssl.", "sasl.", "security.", "socket.", "broker.", "client.", "https.", "enable.ssl")
    shared = {name: value for name, value in options.properties.items() if name.startswith(prefixes)}
    return {**options.security, **shared, "bootstrap.servers": options.brokers}


def is_cooperative(properties: Mapping[str, Any]) -> bool:
    """Whether assignments come as differences."""
    strategy = properties.get("partition.assignment.strategy")
    return bool(properties["group.protocol"] == "consumer" or strategy == "cooperative-sticky")


def check_properties(options: SourceOptions) -> str | None:
    """What librdkafka has against these options (a property, a file, a password of a key), None where
    nothing. Connects to nothing; reads the files that TLS names."""
    properties = consumer_properties(options, first_protocol(options))
    # Without brokers a client has nobody to connect to, and still reads every property and file.
    del properties["bootstrap.servers"]
    try:
        Consumer(properties, logger=_Silent()).close()
    except KafkaException as error:
        return str(error.args[0].str())
    except (TypeError, ValueError) as error:
        return str(error)
    return None


class _Silent:
    def log(self, *_: object) -> None:
        """Says nothing: what is wrong comes as an exception."""

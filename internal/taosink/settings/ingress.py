"""The settings of `taosink ingress`, but those of authentication."""

import re
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, SecretStr

from taosink.observe.listen_rule import SHORTEST_TOKEN, parse_address
from taosink.settings.connection import OBSOLETE_KAFKA, CommandSettings, KafkaSettings
from taosink.settings.ingress_auth import IngressAuthSettings, IngressTlsSettings
from taosink.settings.kinds import (
    Count,
    CountOrZero,
    Flag,
    Seconds,
    SecondsOrZero,
    Size,
    check_topic,
    parse_list,
)
from taosink.settings.names import check_topic_or_empty
from taosink.settings.segments import LinkSettings
from taosink.settings.spec import Group, Obsolete, setting

_SERVER_ID = re.compile(r"[A-Za-z0-9._-]{0,100}")


def check_listen(text: str) -> str:
    """Raises ValueError where this is no address to listen on."""
    parse_address(text)
    return text


def check_listen_or_empty(text: str) -> str:
    return check_listen(text) if text else text


def check_admin_token(token: SecretStr) -> SecretStr:
    if 0 < len(token.get_secret_value()) < SHORTEST_TOKEN:
        raise ValueError(f"is shorter than {SHORTEST_TOKEN} characters: anybody could try them all")
    return token


def check_server_id(text: str) -> str:
    """It stands in Kafka keys, in envelopes and in log lines."""
    if not _SERVER_ID.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no server id; write up to 100 letters, digits and . _ -")
    return text


def parse_topic_list(value: object) -> tuple[str, ...]:
    """Topics by name, none of them a pattern; an empty list is allowed."""
    return tuple(check_topic(name) for name in dict.fromkeys(parse_list(value)))


Listen = Annotated[str, AfterValidator(check_listen)]
ListenOrNone = Annotated[str, AfterValidator(check_listen_or_empty)]
Topic = Annotated[str, AfterValidator(check_topic)]
TopicOrNone = Annotated[str, AfterValidator(check_topic_or_empty)]
TopicList = Annotated[tuple[str, ...], BeforeValidator(parse_topic_list)]


class ListenSettings(Group):
    """Where devices and operators reach the gateway."""

    heading: ClassVar[str] = "Listeners"

    tcp: Listen = setting(
        "ingress.tcp-listen",
        "0.0.0.0:3000",
        "Address for devices over TCP (TLS where a certificate is given); 0 after the colon picks a free one.",
    )
    http: ListenOrNone = setting(
        "ingress.http-listen", "0.0.0.0:8080", "Address for devices over HTTP; empty for none."
    )
    admin: ListenOrNone = setting(
        "ingress.admin-listen",
        "127.0.0.1:8081",
        "Address for operators (commands, devices, health, metrics); empty for none.",
    )
    admin_token: Annotated[SecretStr, AfterValidator(check_admin_token)] = setting(
        "ingress.admin-token",
        "",
        "Bearer token of operators; needed where others than this machine can connect.",
        secret=True,
    )
    server_id: Annotated[str, AfterValidator(check_server_id)] = setting(
        "ingress.server-id",
        "",
        "Name of this gateway among all of them; each its own.",
        shown="<host>-<random>",
    )
    advertise: str = setting(
        "ingress.advertise", "", "Address of this gateway's admin listener as the others are told it."
    )
    backlog: CountOrZero = setting(
        "ingress.accept-backlog", 1024, "Connections that wait to be accepted.", kind="number", le=65_535
    )


class IngressTopicSettings(Group):
    """What the gateway writes and reads in Kafka."""

    heading: ClassVar[str] = "Topics"

    readings: Topic = setting("topic", "test", "Topic for readings, as plain Records.", old_env=["TOPIC"])
    requests: TopicOrNone = setting(
        "ingress.request-topic",
        "tcp_layer_messages",
        "Topic for application requests and connect/disconnect events; empty for none.",
    )
    responses: TopicList = setting(
        "ingress.response-topics",
        "workers_layer_messages",
        "Topics that workers answer on, separated by commas.",
        kind="list",
    )
    presence: Topic = setting(
        "ingress.presence-topic", "taosink_presence", "Compacted topic that says who holds which device."
    )
    commands: Topic = setting(
        "ingress.commands-topic", "taosink_commands", "Compacted topic of commands to devices."
    )
    events: Flag = setting(
        "ingress.events", True, "Publish connect and disconnect on the request topic.", kind="bool"
    )
    create: Flag = setting("ingress.create-topics", True, "Create topics that are missing.", kind="bool")


class LimitSettings(Group):
    """What devices may cost: everything beyond is refused with a counted reason."""

    heading: ClassVar[str] = "Limits"

    max_frame: Size = setting(
        "ingress.max-frame", "64KiB", "Largest message of a device.", kind="size", ge=1024, lt=16 * 2**20
    )
    max_in_flight: Count = setting(
        "ingress.max-in-flight", 100, "Requests of one socket that wait for an answer.", kind="number"
    )
    max_output: Size = setting(
        "ingress.max-output",
        "256KiB",
        "Answers that wait for a slow reader, per socket; beyond it the socket is closed.",
        kind="size",
        ge=4096,
    )
    slow_after: Seconds = setting(
        "ingress.slow-reader-after",
        "30s",
        "Time that a socket may leave its answers unread.",
        kind="duration",
    )
    idle: Seconds = setting(
        "ingress.idle-timeout",
        "5m",
        "Time without a byte from a device after which its socket is closed.",
        kind="duration",
    )
    handshake: Seconds = setting(
        "ingress.handshake-timeout",
        "10s",
        "Time for TLS and `connect` together.",
        kind="duration",
    )
    frame: Seconds = setting(
        "ingress.frame-timeout",
        "30s",
        "Time in which a message that has begun must be complete.",
        kind="duration",
    )
    max_connections: Count = setting(
        "ingress.max-connections", 20_000, "Connections in all.", kind="number", le=1_000_000
    )
    max_per_address: Count = setting(
        "ingress.max-connections-per-address",
        256,
        "Connections from one address (raise it where devices come through a proxy or NAT).",
        kind="number",
        le=1_000_000,
    )
    rate: float = setting(
        "ingress.message-rate",
        200,
        "Messages a second of one device, on average; 0 for no limit.",
        kind="number",
        ge=0,
        le=1_000_000,
    )
    burst: Count = setting(
        "ingress.message-burst", 400, "Messages that a quiet device may send at once.", kind="number"
    )


class HttpLimitSettings(Group):
    """The same for devices that speak HTTP."""

    heading: ClassVar[str] = "Limits of HTTP"

    max_body: Size = setting("ingress.http-max-body", "8MiB", "Largest body, unpacked.", kind="size")
    all_bodies: Size = setting(
        "ingress.http-all-bodies", "64MiB", "Memory for the bodies of all requests under way.", kind="size"
    )
    max_records: Count = setting(
        "ingress.http-max-records", 10_000, "Records of one request.", kind="number", le=1_000_000
    )
    in_flight: Count = setting(
        "ingress.http-max-requests", 256, "Requests under way in all.", kind="number", le=100_000
    )
    rate: float = setting(
        "ingress.http-rate",
        50,
        "Requests a second of one device, on average; 0 for no limit.",
        kind="number",
        ge=0,
        le=1_000_000,
    )
    burst: Count = setting(
        "ingress.http-burst", 100, "Requests that a quiet device may send at once.", kind="number"
    )
    connections: Count = setting(
        "ingress.http-connections", 1000, "Connections in all.", kind="number", le=1_000_000
    )


class WaitSettings(Group):
    """How long answers may take, and how much may wait for Kafka."""

    heading: ClassVar[str] = "Answers"

    busy_after: Seconds = setting(
        "ingress.busy-after",
        "5s",
        "Time that a message waits for room towards Kafka before it is answered `busy`.",
        kind="duration",
    )
    stored: Seconds = setting(
        "ingress.stored-timeout",
        "30s",
        "Time that ack=stored waits for the worker before it is answered `unknown`.",
        kind="duration",
    )
    max_owed: Count = setting(
        "ingress.max-owed", 100_000, "Requests that wait for workers at once.", kind="number", le=10_000_000
    )
    max_unacknowledged: Count = setting(
        "ingress.max-unacknowledged",
        50_000,
        "Messages on their way to Kafka at once; then sockets are no longer read.",
        kind="number",
        le=1_000_000,
    )
    max_commands: Count = setting(
        "ingress.max-commands",
        100_000,
        "Commands of all devices that are kept.",
        kind="number",
        le=10_000_000,
    )
    max_device_commands: Count = setting(
        "ingress.max-device-commands",
        100,
        "Commands that wait for one device; more are refused.",
        kind="number",
        le=100_000,
    )
    max_devices: Count = setting(
        "ingress.max-devices",
        1_000_000,
        "Devices of all gateways whose presence is kept.",
        kind="number",
        le=100_000_000,
    )
    max_unacknowledged_bytes: Size = setting(
        "ingress.max-unacknowledged-bytes", "64MiB", "The same in bytes.", kind="size"
    )


class IngressStopSettings(Group):
    """How a stop goes."""

    heading: ClassVar[str] = "Stopping"

    deadline: Seconds = setting(
        "stop.deadline",
        "25s",
        "Time for a stop to answer what is in flight; keep it below the supervisor's grace.",
        kind="duration",
    )
    reconnect_after: SecondsOrZero = setting(
        "ingress.reconnect-after",
        "1s",
        "Earliest time after which a device is asked to come back.",
        kind="duration",
    )
    reconnect_spread: SecondsOrZero = setting(
        "ingress.reconnect-spread",
        "10s",
        "Devices are asked to come back spread over this time.",
        kind="duration",
    )


class IngressSettings(CommandSettings):
    """Everything that `taosink ingress` can be told."""

    obsolete: ClassVar[tuple[Obsolete, ...]] = OBSOLETE_KAFKA

    listen: ListenSettings = ListenSettings()
    topics: IngressTopicSettings = IngressTopicSettings()
    kafka: KafkaSettings = KafkaSettings()
    auth: IngressAuthSettings = IngressAuthSettings()
    tls: IngressTlsSettings = IngressTlsSettings()
    limits: LimitSettings = LimitSettings()
    http: HttpLimitSettings = HttpLimitSettings()
    waits: WaitSettings = WaitSettings()
    segments: LinkSettings = LinkSettings()
    stop: IngressStopSettings = IngressStopSettings()

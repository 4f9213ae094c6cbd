"""The settings of `taosink ingress`, but those of authentication."""

import re
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, SecretStr

from taosink.observe.listen_rule import SHORTEST_TOKEN, parse_address
from taosink.settings.connection import OBSOLETE_KAFKA, CommandSettings, KafkaSettings
from taosink.settings.ingress_auth import IngressAuthSettings, IngressTlsSettings
from taosink.settings.ingress_limits import HttpLimitSettings, LimitSettings, WaitSettings
from taosink.settings.kinds import (
    CountOrZero,
    Flag,
    Seconds,
    SecondsOrZero,
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


class GatewayTopicSettings(Group):
    """What gateways share with each other and with the workers behind them."""

    heading: ClassVar[str] = "Gateways' topics (as the gateways have them)"

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


class IngressTopicSettings(GatewayTopicSettings):
    """What the gateway writes and reads in Kafka."""

    heading: ClassVar[str] = "Topics"

    readings: Topic = setting("topic", "test", "Topic for readings, as plain Records.", old_env=["TOPIC"])
    events: Flag = setting(
        "ingress.events", True, "Publish connect and disconnect on the request topic.", kind="bool"
    )
    create: Flag = setting("ingress.create-topics", True, "Create topics that are missing.", kind="bool")


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

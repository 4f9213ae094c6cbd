"""The gateway's settings into the options that its parts take: the one place that knows both."""

import secrets
import socket

from taosink import __version__
from taosink.clients import kafka_properties
from taosink.ingress.broker.gateway_broker import GatewayBroker
from taosink.ingress.broker.options import BrokerOptions
from taosink.ingress.http.body import BodyLimits
from taosink.ingress.http.live import Live, LiveDeps
from taosink.ingress.http.live_document import Facts
from taosink.ingress.http.publish import Waits
from taosink.ingress.http.records import RecordLimits
from taosink.ingress.limits import Limits
from taosink.ingress.ports import Health
from taosink.observe.ingress_metrics import IngressMetrics
from taosink.serving.serve import WireLimits
from taosink.settings.ingress import IngressSettings
from taosink.settings.shown import shown_settings

KAFKA_PATIENCE = 30.0
"""Seconds until a record that no broker acknowledges is given up, and its sender told that nobody knows."""


def server_id(settings: IngressSettings) -> str:
    """As given, else this host and a number that no other process has."""
    host = "".join(c if c.isalnum() or c in "._-" else "-" for c in socket.gethostname())[:80]
    return settings.listen.server_id or f"{host}-{secrets.token_hex(4)}"


def limits(settings: IngressSettings) -> Limits:
    given = settings.limits
    return Limits(
        max_frame=given.max_frame,
        max_in_flight=given.max_in_flight,
        max_output=given.max_output,
        slow_after=given.slow_after,
        idle=given.idle,
        handshake=given.handshake,
        frame=given.frame,
        busy_after=settings.waits.busy_after,
        rate=given.rate,
        burst=given.burst,
    )


def told_limits(settings: IngressSettings, most: tuple[int, int]) -> dict[str, float]:
    """The bounds in force, for the metric of them. `most`: connections by TCP and HTTP that there are descriptors
    for."""
    given, waits = settings.limits, settings.waits
    return {
        "frame_bytes": given.max_frame,
        "requests_in_flight_per_socket": given.max_in_flight,
        "output_bytes": given.max_output,
        "idle_seconds": given.idle,
        "handshake_seconds": given.handshake,
        "frame_seconds": given.frame,
        "connections": most[0],
        "connections_per_address": given.max_per_address,
        "messages_per_second": given.rate,
        "owed_answers": waits.max_owed,
        "kafka_records": waits.max_unacknowledged,
        "kafka_bytes": waits.max_unacknowledged_bytes,
        "commands": waits.max_commands,
        "commands_per_device": waits.max_device_commands,
        "devices": waits.max_devices,
        "http_connections": most[1],
        **record_limits(settings).told(),
    }


def broker_options(settings: IngressSettings, server: str, url: str) -> BrokerOptions:
    """`url`: where other gateways find this one's admin listener, empty for nowhere."""
    topics, waits = settings.topics, settings.waits
    return BrokerOptions(
        properties=kafka_properties(settings.kafka),
        server=server,
        readings=topics.readings,
        requests=topics.requests,
        responses=topics.responses,
        presence=topics.presence,
        commands=topics.commands,
        segments=settings.segments.topic,
        create=topics.create,
        url=url,
        max_records=waits.max_unacknowledged,
        max_bytes=waits.max_unacknowledged_bytes,
        delivery_timeout=KAFKA_PATIENCE,
        max_devices=waits.max_devices,
        max_commands=waits.max_commands,
        max_commands_per_device=waits.max_device_commands,
    )


def record_limits(settings: IngressSettings) -> RecordLimits:
    http = settings.http
    return RecordLimits(
        body=BodyLimits(bytes=http.max_body, all_bytes=http.all_bodies),
        records=http.max_records,
        in_flight=http.in_flight,
        rate=http.rate,
        burst=float(http.burst),
        waits=Waits(room=settings.waits.busy_after, kafka=KAFKA_PATIENCE),
    )


def live(
    settings: IngressSettings, server: str, health: Health, broker: GatewayBroker, metrics: IngressMetrics
) -> Live:
    """The admin listener's page."""
    facts = Facts(server, __version__, settings.topics.readings, shown_settings(settings))
    return Live(
        LiveDeps(
            facts=facts,
            health=health,
            metrics=metrics,
            reasons=broker.reasons,
            fault=broker.fault,
            needs_operator=broker.needs_operator,
        )
    )


def admin_wire_limits() -> WireLimits:
    """Operators and scrapers are few."""
    return WireLimits(connections=200, write_seconds=10.0, backlog=64)


def wire_limits(settings: IngressSettings, connections: int) -> WireLimits:
    """`connections`: as many as there are descriptors for."""
    return WireLimits(
        connections=connections,
        handshake_seconds=settings.limits.handshake,
        backlog=settings.listen.backlog,
    )

"""What devices may cost a gateway: limits of connections, of HTTP, and of what waits."""

from typing import ClassVar

from taosink.settings.kinds import Count, Seconds, Size
from taosink.settings.spec import Group, setting


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

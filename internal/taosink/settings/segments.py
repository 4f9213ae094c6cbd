"""The settings of `taosink segments`, and those of the segment calls of the ingress."""

from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

from taosink.settings.connection import OBSOLETE_KAFKA, CommandSettings, KafkaSettings
from taosink.settings.consumer import StatsSettings
from taosink.settings.kinds import Count, OptionalPath, OptionalSeconds, Seconds, Size, check_topic
from taosink.settings.spec import Group, Obsolete, setting


def check_url(url: str) -> str:
    """An address to post to; empty is allowed. A password in it would stand in logs."""
    if not url:
        return url
    try:
        parts = urlsplit(url)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise ValueError("is no address; write http://host:port/path or https://...")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user or a password; give a token by the setting for it")
    return url


def check_origin(origin: str) -> str:
    """What stands in Access-Control-Allow-Origin: `*`, one origin, or nothing."""
    if any(ord(c) <= 32 or ord(c) > 126 or c == "," for c in origin):
        raise ValueError("is no origin; write * or one such as https://app.example.com")
    return origin


Url = Annotated[str, AfterValidator(check_url)]
Topic = Annotated[str, AfterValidator(check_topic)]


class LinkSettings(Group):
    """The segment calls of the public listener: where segments are sent, and who may call from a browser."""

    heading: ClassVar[str] = "Segments over HTTP"

    url: Url = setting(
        "segments.link-url", "", "Where POST /send posts each segment to.", shown="none: /send is off"
    )
    token: SecretStr = setting("segments.link-token", "", "Bearer token for the link's URL.", secret=True)
    ca: OptionalPath = setting(
        "segments.tls-ca",
        None,
        "File (PEM) with the authorities that may sign the certificate of the URL.",
        kind="file",
        shown="the system's",
        reads=True,
    )
    topic: Topic = setting("segments.topic", "segments", "Topic of segments, which POST /transfer fills.")
    queue: Size = setting(
        "segments.link-queue",
        "16MiB",
        "Memory for segments that wait for the link; beyond it /send answers 503.",
        kind="size",
    )
    attempts: Count = setting(
        "segments.link-attempts",
        6,
        "Tries of a segment before its message is given up.",
        kind="number",
        le=1000,
    )
    timeout: Seconds = setting(
        "segments.timeout", "10s", "Longest wait for the answer to one post.", kind="duration"
    )
    origin: Annotated[str, AfterValidator(check_origin)] = setting(
        "segments.allow-origin",
        "",
        "Origin whose pages may call /send and /transfer; * allows all.",
        shown="none",
    )


class CollectSettings(Group):
    """What is read, and when a message is lost."""

    heading: ClassVar[str] = "Segments"

    topic: Topic = setting("segments.topic", "segments", "Topic of segments, which POST /transfer fills.")
    group: Annotated[str, AfterValidator(check_topic)] = setting(
        "segments.group", "segments", "Consumer group; its members share the partitions."
    )
    session_timeout: OptionalSeconds = setting(
        "kafka.session-timeout",
        None,
        "Time without a heartbeat after which the group gives up a member (classic protocol).",
        kind="duration",
        shown="the broker's, or librdkafka's",
    )
    scan: Seconds = setting("segments.scan", "2s", "Time between looks for lost messages.", kind="duration")
    quiet: OptionalSeconds = setting(
        "segments.quiet",
        None,
        "Time without a new segment after which a message is lost.",
        kind="duration",
        shown="a second above segments.scan",
    )
    age: Seconds = setting(
        "segments.max-age", "60s", "Longest time from a message's first segment to its last.", kind="duration"
    )
    memory: Size = setting(
        "segments.memory",
        "64MiB",
        "Memory for incomplete messages; beyond it the oldest is reported as lost.",
        kind="size",
    )
    messages: Count = setting(
        "segments.max-messages", 100_000, "Most incomplete messages at once.", kind="number"
    )

    @property
    def silence(self) -> float:
        """Seconds without a new segment after which a message is lost."""
        return self.scan + 1.0 if self.quiet is None else self.quiet


class ReceiveSettings(Group):
    """Where messages go."""

    heading: ClassVar[str] = "Delivery"

    url: Url = setting("segments.receive-url", "", "Where each message is posted to.", shown="(needed)")
    token: SecretStr = setting(
        "segments.receive-token", "", "Bearer token for the receiver's URL.", secret=True
    )
    ca: OptionalPath = setting(
        "segments.tls-ca",
        None,
        "File (PEM) with the authorities that may sign the certificate of the URL.",
        kind="file",
        shown="the system's",
        reads=True,
    )
    timeout: Seconds = setting(
        "segments.timeout", "10s", "Longest wait for the answer to one post.", kind="duration"
    )
    workers: Count = setting(
        "segments.workers", 4, "Posts at once; a sender's messages keep their order.", kind="number", le=256
    )
    queue: Size = setting(
        "segments.receive-queue", "16MiB", "Memory for messages that wait to be posted.", kind="size"
    )
    readings: Topic = setting(
        "segments.readings-topic", "test", "Topic that messages go to which are Records."
    )


class SegmentStopSettings(Group):
    """How long a stop may take."""

    heading: ClassVar[str] = "Stopping"

    deadline: Seconds = setting(
        "stop.deadline",
        "25s",
        "Time for a stop to write and commit what is read; keep it below the supervisor's grace.",
        kind="duration",
    )


class SegmentsSettings(CommandSettings):
    """Everything that `taosink segments` can be told."""

    obsolete: ClassVar[tuple[Obsolete, ...]] = OBSOLETE_KAFKA

    collect: CollectSettings = CollectSettings()
    receive: ReceiveSettings = ReceiveSettings()
    kafka: KafkaSettings = KafkaSettings()
    stop: SegmentStopSettings = SegmentStopSettings()
    stats: StatsSettings = StatsSettings()

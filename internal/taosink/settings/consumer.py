"""The settings of `taosink consumer`."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator

from taosink.settings.connection import OBSOLETE_KAFKA, CommandSettings, KafkaSettings, TaosSettings
from taosink.settings.kinds import (
    Count,
    CountOrZero,
    Flag,
    Offset,
    OptionalFlag,
    OptionalSeconds,
    Seconds,
    SecondsOrZero,
    Size,
    Topics,
    check_topic,
)
from taosink.settings.names import check_options, check_topic_or_empty
from taosink.settings.rows import RowSettings
from taosink.settings.spec import Group, Obsolete, setting
from taosink.settings.status import StatusSettings


class GroupSettings(Group):
    """What is read, as which group, and from where."""

    heading: ClassVar[str] = "Topic and group"

    topic: Topics = setting(
        "topic",
        "test",
        "Topics to read, separated by commas, or one pattern that begins with ^.",
        kind="list",
        old_env=["TOPIC"],
    )
    id: str = setting(
        "kafka.group", "", "Consumer group; its members share the partitions.", shown="the topic's name"
    )
    offset: Offset = setting(
        "kafka.offset",
        "earliest",
        "Start where nothing is committed: earliest (-2), latest (-1), an offset, or an RFC 3339 time.",
        kind="text",
        old_env=["KAFKA_OFFSET"],
    )
    protocol: Literal["auto", "consumer", "classic"] = setting(
        "kafka.group-protocol",
        "auto",
        "Rebalance protocol: consumer is KIP-848; auto takes it where the broker offers it.",
    )
    assignor: Literal["", "range", "uniform", "roundrobin", "cooperative-sticky"] = setting(
        "kafka.assignor",
        "",
        "How partitions are divided; uniform is of the consumer protocol, the last two are of classic.",
        shown="range, or the broker's",
    )
    static_id: str = setting(
        "kafka.static-id", "", "Name of this member, kept over restarts (static membership); each its own."
    )
    session_timeout: OptionalSeconds = setting(
        "kafka.session-timeout",
        None,
        "Time without a heartbeat after which the group gives up a member (classic protocol).",
        kind="duration",
        shown="librdkafka's",
    )
    heartbeat_interval: OptionalSeconds = setting(
        "kafka.heartbeat-interval",
        None,
        "Time between heartbeats (classic protocol).",
        kind="duration",
        shown="librdkafka's",
    )
    commit_interval: Seconds = setting(
        "commit.interval", "500ms", "Time between commits of what is stored.", kind="duration"
    )

    @property
    def is_pattern(self) -> bool:
        return self.topic[0].startswith("^")

    @property
    def name(self) -> str:
        """The group's name: as given, else the topic's."""
        return self.id or self.topic[0]


class QueueSettings(Group):
    """How records become batches, and what that may hold."""

    heading: ClassVar[str] = "Batches and memory"

    min_batch: Count = setting(
        "min.batch.size",
        5000,
        "Records that a batch waits for, at most until the end of the linger.",
        kind="number",
        old_env=["QUEUE_MIN_BATCH_SIZE"],
    )
    max_batch: Count = setting(
        "max.batch.size",
        10_000,
        "Most records in a batch.",
        kind="number",
        old_env=["QUEUE_MAX_BATCH_SIZE"],
    )
    max_queue: Count = setting(
        "max.queue.size",
        200_000,
        "Most records that wait; memory.budget usually bounds first.",
        kind="number",
        old_env=["QUEUE_MAX_QUEUE_SIZE"],
    )
    linger: SecondsOrZero = setting(
        "linger.time",
        "100ms",
        "Longest wait for a batch to fill, from its first record on.",
        kind="duration",
        old_env=["QUEUE_LINGER_TIME"],
    )
    memory: Size = setting(
        "memory.budget",
        "256MiB",
        "Memory for records, from prefetch to the statement.",
        kind="size",
    )
    workers: Count = setting(
        "worker", 4, "Threads that write, each with a connection.", kind="number", old_env=["WORKER"], le=512
    )
    max_rate: CountOrZero = setting(
        "write.max-rows-per-second",
        0,
        "Most rows that this process writes in a second, to spare a shared database.",
        kind="number",
        shown="no limit",
        le=1_000_000_000,
    )


class TableSettings(RowSettings):
    """What a record becomes in the database, and what may be done for it there."""

    heading: ClassVar[str] = "Records and tables"

    create: Flag = setting(
        "schema.create", False, "Create the database and the supertable where they are missing.", kind="bool"
    )
    alter: OptionalFlag = setting(
        "schema.alter",
        None,
        "Widen strings and add columns where records need it.",
        kind="bool",
        shown="as schema.create",
    )
    precision: Literal["ms", "us", "ns"] = setting(
        "schema.precision", "ms", "Time precision of a database that is created."
    )
    options: Annotated[str, AfterValidator(check_options)] = setting(
        "schema.options", "", "Further options of CREATE DATABASE, such as: KEEP 365 VGROUPS 4."
    )
    lossy: Literal["reject", "allow"] = setting(
        "values.lossy",
        "reject",
        "Values that the database would take but change: dead-letter them, or let it.",
    )
    future: OptionalSeconds = setting(
        "guard.future",
        None,
        "Dead-letter readings whose time is further ahead of this host's clock.",
        kind="duration",
        shown="off",
    )

    @property
    def may_alter(self) -> bool:
        return self.create if self.alter is None else self.alter


class DeadLetterSettings(Group):
    """Where records go that cannot be stored."""

    heading: ClassVar[str] = "Dead letters"

    topic: Annotated[str, AfterValidator(check_topic_or_empty)] = setting(
        "dlq.topic", "", "Topic for records that cannot be stored.", shown="<topic>.dlq"
    )
    max_unacknowledged: Count = setting(
        "dlq.max-unacknowledged", 1000, "Dead letters on their way at once.", kind="number", le=1_000_000
    )

    def topic_for(self, origin: str) -> str:
        """The dead-letter topic of records that came from `origin`."""
        return self.topic or f"{origin}.dlq"


class PoisonSettings(Group):
    """When a partition is stopped instead of moved into the dead letters."""

    heading: ClassVar[str] = "Poison"

    max_share: float = setting(
        "poison.max-share",
        0.2,
        "Share of a partition's last 1000 rows that the database may refuse before the partition stops.",
        kind="number",
        gt=0,
        le=1,
    )
    undecodable_share: float = setting(
        "poison.undecodable-share",
        0.9,
        "The same for records of which no row can be made.",
        kind="number",
        gt=0,
        le=1,
    )


class StopSettings(Group):
    """How long a stop and a rebalance may take."""

    heading: ClassVar[str] = "Stopping"

    deadline: Seconds = setting(
        "stop.deadline",
        "25s",
        "Time for a stop to write and commit what is read; keep it below the supervisor's grace.",
        kind="duration",
    )
    revoke: SecondsOrZero = setting(
        "revoke.deadline",
        "5s",
        "Time to write and commit what is taken away in a rebalance.",
        kind="duration",
    )
    until_idle: Flag = setting(
        "until-idle",
        False,
        "End with exit code 0 when all that is assigned is read to its end, and stored.",
        kind="bool",
    )


class StatsSettings(Group):
    """What is told while it runs."""

    heading: ClassVar[str] = "Progress"

    interval: Seconds = setting("stats.interval", "1s", "Time between progress lines.", kind="duration")


class RepliesSettings(Group):
    """Answers to devices that asked to be told when their records are stored."""

    heading: ClassVar[str] = "Answers to devices"

    on: Flag = setting(
        "ingress.replies",
        False,
        "Tell gateways which records are stored or dead-lettered (devices' ack=stored needs it).",
        kind="bool",
    )
    topic: Annotated[str, AfterValidator(check_topic)] = setting(
        "ingress.response-topic", "workers_layer_messages", "Topic for those answers; gateways read it."
    )


class ConsumerSettings(CommandSettings):
    """Everything that `taosink consumer` can be told."""

    obsolete: ClassVar[tuple[Obsolete, ...]] = OBSOLETE_KAFKA

    group: GroupSettings = GroupSettings()
    kafka: KafkaSettings = KafkaSettings()
    taos: TaosSettings = TaosSettings()
    tables: TableSettings = TableSettings()
    queue: QueueSettings = QueueSettings()
    dead_letters: DeadLetterSettings = DeadLetterSettings()
    poison: PoisonSettings = PoisonSettings()
    stop: StopSettings = StopSettings()
    stats: StatsSettings = StatsSettings()
    status: StatusSettings = StatusSettings()
    replies: RepliesSettings = RepliesSettings()

"""The settings of `taosink init`: those of the processes that it prepares for, and what it is to make."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator

from taosink.settings.columns import parse_columns
from taosink.settings.connection import OBSOLETE_KAFKA, CommandSettings, KafkaSettings, TaosSettings
from taosink.settings.ingress import GatewayTopicSettings, Topic
from taosink.settings.kinds import Count, CountOrZero, Flag, Seconds, Topics
from taosink.settings.names import check_options, check_topic_or_empty
from taosink.settings.rows import TableSettings
from taosink.settings.rules import Faults, Values, rule
from taosink.settings.spec import Group, Obsolete, setting


class MakeSettings(Group):
    """What is made, beyond what the other processes' settings say."""

    heading: ClassVar[str] = "What is made"

    partitions: Count = setting(
        "init.partitions",
        10,
        "Partitions of a topic for readings: as many consumers can work on it.",
        kind="number",
        short="partitions",
        le=100_000,
    )
    replication: CountOrZero = setting(
        "init.replication",
        0,
        "Brokers that keep a copy of each topic.",
        kind="number",
        short="replication",
        shown="the broker's own",
        le=32_767,
    )
    columns: Annotated[tuple[str, ...], BeforeValidator(parse_columns)] = setting(
        "init.columns",
        "",
        "Types of the supertable's columns in the order of a record's Cols, such as DOUBLE,BIGINT,NCHAR(64)*3.",
        kind="list",
        short="columns",
        shown="none: consumers make it of the first records",
    )
    gateway: Flag = setting(
        "init.ingress", False, "Make the topics of gateways (taosink ingress) too.", kind="bool"
    )
    timeout: Seconds = setting(
        "init.timeout", "120s", "Longest wait for Kafka and for TDengine.", kind="duration", short="timeout"
    )


class InitTopicSettings(Group):
    """The topics that consumers read and write."""

    heading: ClassVar[str] = "Topics (as the consumers have them)"

    topics: Topics = setting(
        "topic",
        "test",
        "Topics to read, separated by commas, or one pattern that begins with ^.",
        kind="list",
        old_env=["TOPIC"],
    )
    dead_letters: Annotated[str, AfterValidator(check_topic_or_empty)] = setting(
        "dlq.topic", "", "Topic for records that cannot be stored.", shown="<topic>.dlq"
    )


class InitTableSettings(TableSettings):
    """The tables that consumers write."""

    create: Flag = setting(
        "schema.create", False, "Create the database and the supertable where they are missing.", kind="bool"
    )
    precision: Literal["ms", "us", "ns"] = setting(
        "schema.precision", "ms", "Time precision of a database that is created."
    )
    options: Annotated[str, AfterValidator(check_options)] = setting(
        "schema.options", "", "Further options of CREATE DATABASE, such as: KEEP 365 VGROUPS 4."
    )


class InitGatewayTopicSettings(GatewayTopicSettings):
    """The topics of gateways, which `init.ingress` asks for."""

    segments: Topic = setting("segments.topic", "segments", "Topic of segments, which POST /transfer fills.")


class InitSettings(CommandSettings):
    """Everything that `taosink init` can be told."""

    obsolete: ClassVar[tuple[Obsolete, ...]] = OBSOLETE_KAFKA

    make: MakeSettings = MakeSettings()
    topics: InitTopicSettings = InitTopicSettings()
    tables: InitTableSettings = InitTableSettings()
    kafka: KafkaSettings = KafkaSettings()
    taos: TaosSettings = TaosSettings()
    gateway: InitGatewayTopicSettings = InitGatewayTopicSettings()


@rule("init.columns", "route")
def _columns(values: Values) -> Faults:
    if values["init.columns"] and values["route"]:
        yield "init.columns", "cannot be given with route, which names tables and columns itself"

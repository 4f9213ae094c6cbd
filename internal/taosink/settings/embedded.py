"""The settings of the embedded broker and database, and of the demo that runs them."""

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator

from taosink.settings.connection import CommandSettings
from taosink.settings.kinds import Count, CountOrZero, Flag, OptionalPath, Seconds, check_topic, parse_list
from taosink.settings.spec import Group, setting

DEFAULT_PARTITIONS = 10


def parse_embedded_topics(value: object) -> tuple[tuple[str, int], ...]:
    """Topics as name:partitions, at least one; a name alone gets the usual number."""
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return value
    topics: dict[str, int] = {}
    for text in parse_list(value):
        name, _, count = text.partition(":")
        check_topic(name)
        if count and not (count.isascii() and count.isdigit() and 1 <= int(count) <= 10_000):
            raise ValueError(
                f"{text!r} is not name:partitions with 1 to 10000 partitions; write for example test:10"
            )
        topics[name] = int(count or DEFAULT_PARTITIONS)
    if not topics:
        raise ValueError("names no topic; write for example test:10")
    return tuple(topics.items())


def check_listen(text: str) -> str:
    host, colon, number = text.rpartition(":")
    if not (host and colon and number.isascii() and number.isdigit() and int(number) <= 65535):
        raise ValueError("is not host:port; write for example 127.0.0.1:6041 (port 0 picks a free one)")
    return text


def listen_file() -> Any:
    return setting(
        "embedded.listen-file",
        None,
        "File to write the address to, once it can be reached.",
        kind="file",
        shown="none",
        short="listen-file",
        writes=True,
    )


class EmbeddedBrokerGroup(Group):
    """What the embedded broker holds."""

    heading: ClassVar[str] = "Embedded broker"

    topics: Annotated[tuple[tuple[str, int], ...], BeforeValidator(parse_embedded_topics)] = setting(
        "embedded.topic",
        "test:10",
        "Topic and its number of partitions, name:partitions; repeat the flag for more.",
        kind="list",
        short="topic",
    )
    listen_file: OptionalPath = listen_file()


class EmbeddedDatabaseGroup(Group):
    """Where the embedded database listens and keeps its data."""

    heading: ClassVar[str] = "Embedded database"

    listen: Annotated[str, AfterValidator(check_listen)] = setting(
        "embedded.listen",
        "127.0.0.1:6041",
        "Address to serve TDengine's REST protocol at; 0 picks a free one.",
        short="listen",
    )
    data: OptionalPath = setting(
        "embedded.data",
        None,
        "File that keeps the data.",
        kind="file",
        shown="memory alone",
        short="data",
        writes=True,
    )
    listen_file: OptionalPath = listen_file()


class DemoGroup(Group):
    """What the demo runs."""

    heading: ClassVar[str] = "Demo"

    records: Count = setting(
        "demo.records", 200_000, "Records in all.", kind="number", short="records", le=100_000_000
    )
    tables: Count = setting("demo.tables", 100, "Devices.", kind="number", short="tables", le=100_000)
    partitions: Count = setting(
        "demo.partitions", 10, "Partitions of the topic.", kind="number", short="partitions", le=1000
    )
    consumers: Count = setting(
        "demo.consumers", 2, "Consumer processes.", kind="number", short="consumers", le=64
    )
    devices: CountOrZero = setting(
        "demo.devices",
        20,
        "Devices that send through a gateway once the records are stored; 0 for none.",
        kind="number",
        short="devices",
        le=10_000,
    )
    poison: CountOrZero = setting("demo.poison", 0, "Broken records mixed in.", kind="number", short="poison")
    seed: int = setting("demo.seed", 99, "Seed of the random values.", kind="number", short="seed")
    keep: Flag = setting(
        "demo.keep",
        False,
        "Leave everything up until Ctrl-C, and print the addresses.",
        kind="bool",
        short="keep",
    )
    verdict: OptionalPath = setting(
        "demo.verdict",
        None,
        "File for the verdict as JSON.",
        kind="file",
        shown="none",
        short="report",
        writes=True,
    )
    patience: Seconds = setting(
        "demo.patience",
        "60s",
        "Time without any movement after which the demo gives up.",
        kind="duration",
        short="patience",
    )


class EmbeddedBrokerSettings(CommandSettings):
    """Everything that `taosink embedded broker` can be told."""

    broker: EmbeddedBrokerGroup = EmbeddedBrokerGroup()


class EmbeddedDatabaseSettings(CommandSettings):
    """Everything that `taosink embedded database` can be told."""

    database: EmbeddedDatabaseGroup = EmbeddedDatabaseGroup()


class DemoSettings(CommandSettings):
    """Everything that `taosink demo` can be told."""

    demo: DemoGroup = DemoGroup()

"""The settings of `taosink tail`."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator

from taosink.messages.starts import From, parse_from
from taosink.settings.connection import OBSOLETE_KAFKA, CommandSettings, KafkaSettings
from taosink.settings.kinds import CountOrZero, Flag, Seconds, check_topic
from taosink.settings.spec import Group, Obsolete, setting


class TailGroup(Group):
    """What is shown."""

    heading: ClassVar[str] = "What is shown"

    topic: Annotated[str, AfterValidator(check_topic)] = setting(
        "topic", "test", "Topic to show: taosink tail TOPIC.", old_env=["TOPIC"]
    )
    begin: Annotated[From, BeforeValidator(parse_from)] = setting(
        "tail.from",
        "-10",
        "Where to begin: earliest, latest (and follow), an offset, -N for the last N of each partition, or a time.",
        short="from",
    )
    count: CountOrZero = setting(
        "tail.count", 0, "Most messages to show.", kind="number", shown="no limit", short="count"
    )
    follow: Flag = setting(
        "tail.follow", False, "Go on as messages come, instead of ending.", kind="bool", short="follow"
    )
    as_json: Flag = setting("tail.json", False, "Print JSON, one object a line.", kind="bool", short="json")
    timeout: Seconds = setting(
        "tail.timeout",
        "10s",
        "Longest wait for a broker's answer, and for the next message that is there.",
        kind="duration",
        short="timeout",
    )


class TailSettings(CommandSettings):
    """Everything that `taosink tail` can be told."""

    obsolete: ClassVar[tuple[Obsolete, ...]] = OBSOLETE_KAFKA

    tail: TailGroup = TailGroup()
    kafka: KafkaSettings = KafkaSettings()

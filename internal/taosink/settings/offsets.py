"""The settings of `taosink offsets show|reset`."""

import re
from typing import Annotated, ClassVar

from pydantic import BeforeValidator

from taosink.settings.connection import OBSOLETE_KAFKA, CommandSettings, KafkaSettings
from taosink.settings.kinds import Flag, StartOffset, Topics, parse_list, parse_offset
from taosink.settings.spec import Group, Obsolete, setting

_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?", re.ASCII)


def parse_partitions(value: object) -> frozenset[int]:
    """Numbers and ranges: `0,3-5`."""
    if isinstance(value, frozenset):
        return value
    found: set[int] = set()
    for text in parse_list(value):
        part = _RANGE.fullmatch(text)
        if part is None or (part[2] and int(part[2]) < int(part[1])):
            raise ValueError(f"{text!r} is no partition; write numbers and ranges, such as 0,3-5")
        found.update(range(int(part[1]), int(part[2] or part[1]) + 1))
    return frozenset(found)


def _to(value: object) -> object:
    return None if value is None or value == "" else parse_offset(value)


class GroupPlaceSettings(Group):
    """Which group, and which of its partitions."""

    heading: ClassVar[str] = "Topic and group"

    topic: Topics = setting(
        "topic",
        "test",
        "Topics of the group, separated by commas, or one pattern that begins with ^.",
        kind="list",
        old_env=["TOPIC"],
    )
    id: str = setting("kafka.group", "", "Consumer group.", shown="the topic's name")
    partitions: Annotated[frozenset[int], BeforeValidator(parse_partitions)] = setting(
        "offsets.partition", "", "Partitions, such as 0,3-5.", kind="list", shown="all", short="partition"
    )
    as_json: Flag = setting("offsets.json", False, "Print one JSON object.", kind="bool", short="json")

    @property
    def name(self) -> str:
        """The group's name: as given, else the topic's."""
        return self.id or self.topic[0]


class ResetSettings(Group):
    """Where to, and whether."""

    heading: ClassVar[str] = "Reset"

    to: Annotated[StartOffset | None, BeforeValidator(_to)] = setting(
        "offsets.to",
        None,
        "Where the group goes on: earliest (-2), latest (-1), an offset, or an RFC 3339 time.",
        shown="none, and one is needed",
        short="to",
    )
    yes: Flag = setting("offsets.yes", False, "Do it; without, it is only told.", kind="bool", short="yes")


class OffsetsShowSettings(CommandSettings):
    """Everything that `taosink offsets show` can be told."""

    obsolete: ClassVar[tuple[Obsolete, ...]] = OBSOLETE_KAFKA

    group: GroupPlaceSettings = GroupPlaceSettings()
    kafka: KafkaSettings = KafkaSettings()


class OffsetsResetSettings(CommandSettings):
    """Everything that `taosink offsets reset` can be told."""

    obsolete: ClassVar[tuple[Obsolete, ...]] = OBSOLETE_KAFKA

    group: GroupPlaceSettings = GroupPlaceSettings()
    reset: ResetSettings = ResetSettings()
    kafka: KafkaSettings = KafkaSettings()

"""The settings of `taosink dlq list|show|stats|replay|purge`."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator

from taosbatch.encoding import Reason
from taosink.audit.bounds import Bound, parse_bound
from taosink.settings.audit import OriginSettings
from taosink.settings.connection import OBSOLETE_KAFKA, CommandSettings, KafkaSettings, TaosSettings
from taosink.settings.kinds import Count, CountOrZero, Flag, parse_duration, parse_list, parse_offset
from taosink.settings.rows import RowSettings
from taosink.settings.spec import Group, Obsolete, setting

CLASSES = ("undecodable", "unstorable", "database")
_PLACE = re.compile(r"(?:(\d{1,9})[:/])?(\d{1,19})", re.ASCII)


def _among(allowed: tuple[str, ...], what: str) -> Callable[[object], tuple[str, ...]]:
    def parse(value: object) -> tuple[str, ...]:
        found = parse_list(value)
        for text in found:
            if text not in allowed:
                raise ValueError(f"{text!r} is no {what}; there are {', '.join(allowed)}")
        return found

    return parse


def parse_codes(value: object) -> tuple[int, ...]:
    """The database's numbers, `0x2653` or decimal."""
    if isinstance(value, tuple) and all(isinstance(v, int) for v in value):
        return value
    try:
        return tuple(int(text, 0) for text in parse_list(value))
    except ValueError:
        raise ValueError("holds no number; write for example 0x2653") from None


def parse_moment(value: object) -> object:
    """A time with its zone, or how long ago: `2h`, `30m`."""
    if value is None or value == "":
        return None
    try:
        ago = parse_duration(value)
    except ValueError:
        ago = None
    if isinstance(ago, float):
        return datetime.fromtimestamp(time.time() - ago, UTC)
    found = parse_offset(value)
    if not isinstance(found, datetime):
        raise ValueError("is no time; write 2025-01-31T08:00:00Z, or 2h for two hours ago")
    return found


def parse_place(value: object) -> tuple[int, int]:
    """`partition:offset`; an offset alone is meant in partition 0."""
    if isinstance(value, tuple):
        return value
    found = _PLACE.fullmatch(str(value).strip())
    if found is None:
        raise ValueError("is no place of a letter; write partition:offset, such as 0:17")
    return int(found[1] or 0), int(found[2])


def _before(value: object) -> object:
    if not isinstance(value, str) or value in {"", "replayed"}:
        return value
    bound = parse_bound(value, ["end"])
    if bound.kind == "time":
        raise ValueError("is no offset: letters carry the times of their records; give offsets, or replayed")
    return bound


Moment = Annotated[datetime | None, BeforeValidator(parse_moment)]


class FilterSettings(Group):
    """Which letters are meant; what is not given lets all pass."""

    heading: ClassVar[str] = "Which letters"

    reasons: Annotated[tuple[str, ...], BeforeValidator(_among(tuple(Reason), "reason"))] = setting(
        "dlq.reason", "", f"Reasons: {', '.join(Reason)}.", kind="list", shown="all", short="reason"
    )
    classes: Annotated[tuple[str, ...], BeforeValidator(_among(CLASSES, "class"))] = setting(
        "dlq.class", "", f"Classes: {', '.join(CLASSES)}.", kind="list", shown="all", short="class"
    )
    codes: Annotated[tuple[int, ...], BeforeValidator(parse_codes)] = setting(
        "dlq.code", "", "Numbers of the database, such as 0x2653.", kind="list", shown="all", short="code"
    )
    device: str = setting(
        "dlq.device", "", "Device, or a pattern such as pump-*.", shown="all", short="device"
    )
    origin: str = setting("dlq.origin", "", "Topic that the record came from.", shown="all", short="origin")
    since: Moment = setting(
        "dlq.since", None, "Dead-lettered at or after: a time, or 2h (ago).", kind="time", short="since"
    )
    until: Moment = setting(
        "dlq.until", None, "Dead-lettered before: a time, or 2h (ago).", kind="time", short="until"
    )


class OutputSettings(Group):
    """How it is told."""

    heading: ClassVar[str] = "Output"

    as_json: Flag = setting("dlq.json", False, "Print JSON, one object a line.", kind="bool", short="json")


class ListOutputSettings(OutputSettings):
    """How much is listed."""

    limit: CountOrZero = setting(
        "dlq.limit", 100, "Most letters that are listed; 0 lists all.", kind="number", short="limit"
    )


class PlaceSettings(Group):
    """Which letter is shown."""

    heading: ClassVar[str] = "Which letter"

    place: Annotated[tuple[int, int], BeforeValidator(parse_place)] = setting(
        "dlq.at", "0:0", "Its place in the dead-letter topic, partition:offset, as list tells it.", short="at"
    )


class ReplaySettings(Group):
    """Where to, and how carefully."""

    heading: ClassVar[str] = "Replay"

    to: Literal["topic", "database"] = setting(
        "dlq.to", "topic", "The records' own topic and partition, or straight into the database.", short="to"
    )
    yes: Flag = setting("dlq.yes", False, "Do it; without, it is only told.", kind="bool", short="yes")
    max_attempts: Count = setting(
        "dlq.max-attempts",
        5,
        "Leave records that were dead-lettered so often, so that none circles for ever.",
        kind="number",
        short="max-attempts",
    )
    again: Flag = setting(
        "dlq.again", False, "Replay also what was replayed already.", kind="bool", short="again"
    )
    check: Flag = setting(
        "dlq.check",
        True,
        "Ask the database which rows are stored already and would be overwritten.",
        kind="bool",
        short="check",
    )
    existing: Literal["replay", "skip"] = setting(
        "dlq.existing", "replay", "Letters that would overwrite a stored row.", short="existing"
    )


class PurgeSettings(Group):
    """How far, and whether."""

    heading: ClassVar[str] = "Purge"

    before: Annotated[Bound | Literal["", "replayed"], BeforeValidator(_before)] = setting(
        "dlq.before",
        "",
        "Delete what stands before: an offset, partition:offset,..., end, or replayed (the first that waits).",
        short="before",
    )
    yes: Flag = setting("dlq.yes", False, "Do it; without, it is only told.", kind="bool", short="yes")


class DlqListSettings(CommandSettings):
    """Everything that `taosink dlq list` can be told."""

    obsolete: ClassVar[tuple[Obsolete, ...]] = OBSOLETE_KAFKA

    origin: OriginSettings = OriginSettings()
    filter: FilterSettings = FilterSettings()
    output: ListOutputSettings = ListOutputSettings()
    kafka: KafkaSettings = KafkaSettings()


class DlqShowSettings(CommandSettings):
    """Everything that `taosink dlq show` can be told."""

    obsolete: ClassVar[tuple[Obsolete, ...]] = OBSOLETE_KAFKA

    origin: OriginSettings = OriginSettings()
    place: PlaceSettings = PlaceSettings()
    output: OutputSettings = OutputSettings()
    kafka: KafkaSettings = KafkaSettings()


class DlqStatsSettings(CommandSettings):
    """Everything that `taosink dlq stats` can be told."""

    obsolete: ClassVar[tuple[Obsolete, ...]] = OBSOLETE_KAFKA

    origin: OriginSettings = OriginSettings()
    filter: FilterSettings = FilterSettings()
    output: OutputSettings = OutputSettings()
    kafka: KafkaSettings = KafkaSettings()


class DlqReplaySettings(CommandSettings):
    """Everything that `taosink dlq replay` can be told."""

    obsolete: ClassVar[tuple[Obsolete, ...]] = OBSOLETE_KAFKA

    origin: OriginSettings = OriginSettings()
    filter: FilterSettings = FilterSettings()
    replay: ReplaySettings = ReplaySettings()
    output: ListOutputSettings = ListOutputSettings()
    kafka: KafkaSettings = KafkaSettings()
    taos: TaosSettings = TaosSettings()
    rows: RowSettings = RowSettings()


class DlqPurgeSettings(CommandSettings):
    """Everything that `taosink dlq purge` can be told."""

    obsolete: ClassVar[tuple[Obsolete, ...]] = OBSOLETE_KAFKA

    origin: OriginSettings = OriginSettings()
    purge: PurgeSettings = PurgeSettings()
    output: OutputSettings = OutputSettings()
    kafka: KafkaSettings = KafkaSettings()

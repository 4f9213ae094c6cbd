"""The settings of `taosink audit`, and what it has in common with `taosink dlq`."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator

from taosink.audit.bounds import Bound, parse_bound
from taosink.settings.connection import OBSOLETE_KAFKA, CommandSettings, KafkaSettings, TaosSettings
from taosink.settings.files import why_no_folder
from taosink.settings.kinds import CountOrZero, Flag, OptionalPath, Seconds, parse_topics
from taosink.settings.names import check_topic_or_empty
from taosink.settings.rows import RowSettings
from taosink.settings.rules import Faults, Values, rule
from taosink.settings.spec import Group, Obsolete, setting


def parse_one_topic(value: object) -> tuple[str, ...]:
    """A list with one topic's name in it."""
    topics = parse_topics(value)
    if len(topics) > 1 or topics[0].startswith("^"):
        raise ValueError("names more than one topic; give one at a time")
    return topics


def _first(value: object) -> object:
    return parse_bound(value, ["earliest"]) if isinstance(value, str) else value


def _last(value: object) -> object:
    return parse_bound(value, ["committed", "end"]) if isinstance(value, str) else value


class OriginSettings(Group):
    """The topic that records come from, and where its dead letters are."""

    heading: ClassVar[str] = "Topic and dead letters"

    topics: Annotated[tuple[str, ...], BeforeValidator(parse_one_topic)] = setting(
        "topic", "test", "Topic that the consumers read.", kind="list", old_env=["TOPIC"]
    )
    letters: Annotated[str, AfterValidator(check_topic_or_empty)] = setting(
        "dlq.topic", "", "Topic of its dead letters.", shown="<topic>.dlq"
    )

    @property
    def topic(self) -> str:
        return self.topics[0]

    @property
    def dead_letters(self) -> str:
        """The dead-letter topic's name, given or not."""
        return self.letters or f"{self.topic}.dlq"


class RangeSettings(Group):
    """What is audited, and how strictly."""

    heading: ClassVar[str] = "Audit"

    group: str = setting(
        "kafka.group", "", "The consumers' group, whose commits end the range.", shown="the topic's name"
    )
    first: Annotated[Bound, BeforeValidator(_first)] = setting(
        "audit.from",
        "earliest",
        "Start: earliest, an offset for all partitions, partition:offset,..., or a time with its zone.",
        short="from",
    )
    last: Annotated[Bound, BeforeValidator(_last)] = setting(
        "audit.to",
        "committed",
        "End, itself excluded: committed (by the group), end, an offset, partition:offset,..., or a time.",
        short="to",
    )
    strict: Flag = setting(
        "audit.strict",
        False,
        "Fail on rows between a device's readings that no record explains, too.",
        kind="bool",
        short="strict",
    )
    as_json: Flag = setting(
        "audit.json", False, "Print the report as one JSON object.", kind="bool", short="json"
    )
    max_named: CountOrZero = setting(
        "audit.max-named",
        100,
        "Most records that are named one by one; all are counted.",
        kind="number",
        short="max-named",
        le=1_000_000,
    )
    directory: OptionalPath = setting(
        "audit.directory",
        None,
        "Directory for the temporary file, which takes about twice the room of the range's records.",
        kind="file",
        shown="the system's",
    )
    idle: Seconds = setting(
        "audit.idle", "30s", "Longest wait for the next record before giving up.", kind="duration"
    )


class AuditSettings(CommandSettings):
    """Everything that `taosink audit` can be told."""

    obsolete: ClassVar[tuple[Obsolete, ...]] = OBSOLETE_KAFKA

    origin: OriginSettings = OriginSettings()
    range: RangeSettings = RangeSettings()
    kafka: KafkaSettings = KafkaSettings()
    taos: TaosSettings = TaosSettings()
    rows: RowSettings = RowSettings()


@rule("audit.directory")
def _directory(values: Values) -> Faults:
    path = values["audit.directory"]
    if path is not None and (reason := why_no_folder(path)):
        yield "audit.directory", reason

"""The settings of `taosink producer`."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from taosink.settings.connection import OBSOLETE_KAFKA, CommandSettings, KafkaSettings, TaosSettings
from taosink.settings.kinds import (
    Count,
    CountOrZero,
    Flag,
    OptionalPath,
    OptionalSeconds,
    Seconds,
    check_topic,
    parse_start,
)
from taosink.settings.names import check_name
from taosink.settings.rules import Faults, Values, rule
from taosink.settings.spec import Group, Obsolete, setting

METRIC_COLUMNS = 100
MOST_AT_A_TIME = 100
MIXED_COLUMNS = 4


def check_gateway(url: str) -> str:
    """Raises ValueError where it is no gateway's address."""
    if url:
        from taosdevice.link import Address  # noqa: PLC0415  # asked only where an address is given

        Address.parse(url)
    return url


class OutputSettings(Group):
    """What is produced, where to, and how fast."""

    heading: ClassVar[str] = "What is produced"

    topic: Annotated[str, AfterValidator(check_topic)] = setting(
        "topic", "test", "Topic to produce into.", old_env=["TOPIC"]
    )
    partitions: CountOrZero = setting(
        "partitions",
        0,
        "Partitions that devices are divided among.",
        kind="number",
        shown="the topic's, or 10 for a new topic",
        le=100_000,
    )
    codec: Literal["msgpack", "json"] = setting("codec", "msgpack", "How records are encoded.")
    shape: Literal["metrics", "demo"] = setting(
        "shape", "metrics", "metrics: text columns; demo: 4 columns of mixed types."
    )
    records: CountOrZero = setting(
        "records",
        0,
        "Records in all; devices send as many as that takes.",
        kind="number",
        shown="every record of every table",
    )
    duration: OptionalSeconds = setting(
        "duration", None, "Longest time to produce for.", kind="duration", shown="no limit"
    )
    rate: Annotated[float, Field(ge=0, allow_inf_nan=False)] = setting(
        "rate", 0, "Records a second.", kind="number", shown="as fast as it goes"
    )
    poison: CountOrZero = setting(
        "poison", 0, "Broken records mixed in, to see them dead-lettered.", kind="number"
    )


class FleetGroup(Group):
    """The devices that are played."""

    heading: ClassVar[str] = "Simulated fleet"

    database: Annotated[str, AfterValidator(lambda text: check_name(text, 64))] = setting(
        "sim.database", "", "Database of the supertable.", shown="the address's"
    )
    supertable: Annotated[str, AfterValidator(lambda text: check_name(text, 192))] = setting(
        "sim.supertable", "stb", "Supertable of the devices.", min_length=1
    )
    prefix: Annotated[str, AfterValidator(lambda text: check_name(text, 180))] = setting(
        "sim.table-prefix", "tb", "Devices are named by it and a number: tb0, tb1, ..."
    )
    tables: Count = setting("sim.tables", 100, "Devices, each a subtable.", kind="number", le=10_000_000)
    records_per_table: Count = setting(
        "sim.records-per-table", 1000, "Records of each device.", kind="number"
    )
    columns: CountOrZero = setting(
        "sim.columns",
        0,
        "Columns of a record.",
        kind="number",
        shown=f"{METRIC_COLUMNS}; {MIXED_COLUMNS} in shape demo",
        le=4000,
    )
    bytes_per_column: Count = setting(
        "sim.bytes-per-column", 10, "Letters in a text column.", kind="number", le=16_000
    )
    seed: int = setting("sim.seed", 99, "Seed of the random values: same seed, same records.", kind="number")
    start: Annotated[datetime | None, BeforeValidator(parse_start)] = setting(
        "sim.start", None, "Time of the first record, RFC 3339.", kind="time", shown="now"
    )
    interval: Seconds = setting("sim.interval", "1s", "Time between a device's records.", kind="duration")

    def columns_in(self, shape: Literal["metrics", "demo"]) -> int:
        """The number of columns, where none is given the shape's own."""
        return self.columns or (METRIC_COLUMNS if shape == "metrics" else MIXED_COLUMNS)


class ThroughSettings(Group):
    """The way through a gateway, instead of writing to Kafka."""

    heading: ClassVar[str] = "Through a gateway"

    url: Annotated[str, AfterValidator(check_gateway)] = setting(
        "through",
        "",
        "Gateway to send through as devices do: tcp://host:number or tls://host:number.",
        shown="none: records go to Kafka",
    )
    connections: CountOrZero = setting(
        "through-connections",
        0,
        "Devices connected at a time.",
        kind="number",
        shown="every table, at most 100",
        le=100_000,
    )
    batch: Count = setting("through-batch", 100, "Records of one request.", kind="number", le=10_000)
    ack: Literal["kafka", "stored"] = setting(
        "through-ack", "kafka", "What counts as acknowledged: by the broker, or stored by the database."
    )
    key_file: OptionalPath = setting(
        "through-key-file",
        None,
        "The gateway's ingress.token-key-file: each device gets a token of its own.",
        kind="file",
        reads=True,
    )
    tokens_file: OptionalPath = setting(
        "through-tokens-file",
        None,
        "File with device<TAB>token a line, as `taosink token` prints them, or device:secret.",
        kind="file",
        reads=True,
    )
    ca: OptionalPath = setting(
        "through-ca",
        None,
        "File (PEM) with the authorities that may sign the gateway's certificate.",
        kind="file",
        shown="the system's",
        reads=True,
    )


@rule("through", "poison", "backlog.group", "partitions")
def _through_alone(values: Values) -> Faults:
    if values["through"]:
        if values["poison"]:
            yield "poison", "a gateway takes no broken records: leave it out, or through"
        if values["backlog.group"]:
            yield "backlog.group", "through a gateway no group is waited for: leave one of the two out"
        if values["partitions"]:
            yield "partitions", "through a gateway it is the gateway that chooses partitions: leave it out"


@rule("through-key-file", "through-tokens-file")
def _one_kind_of_tokens(values: Values) -> Faults:
    if values["through-key-file"] is not None and values["through-tokens-file"] is not None:
        yield "through-tokens-file", "give this or through-key-file, not both"


class BacklogSettings(Group):
    """How far a consumer group may fall behind before the producer waits for it."""

    heading: ClassVar[str] = "Waiting for a consumer group"

    group: str = setting("backlog.group", "", "Group to wait for.", shown="none: never wait")
    nbytes: Count = setting(
        "backlog.bytes", 2 * 1024 * 1024, "Bytes a partition that it may be behind.", kind="number"
    )


class ResetSettings(Group):
    """What an earlier run left in the database."""

    heading: ClassVar[str] = "Starting anew"

    reset: Flag = setting(
        "reset",
        False,
        "DROPS the supertable with all its data, and creates it again. Nothing else here uses TDengine.",
        kind="bool",
    )


class ProducerSettings(CommandSettings):
    """Everything that `taosink producer` can be told."""

    obsolete: ClassVar[tuple[Obsolete, ...]] = OBSOLETE_KAFKA

    output: OutputSettings = OutputSettings()
    kafka: KafkaSettings = KafkaSettings()
    fleet: FleetGroup = FleetGroup()
    backlog: BacklogSettings = BacklogSettings()
    through: ThroughSettings = ThroughSettings()
    reset: ResetSettings = ResetSettings()
    taos: TaosSettings = TaosSettings()

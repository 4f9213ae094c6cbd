"""The settings of `taosink bench ingress`."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from taosink.settings.connection import CommandSettings
from taosink.settings.kinds import (
    Count,
    CountOrZero,
    OptionalPath,
    Seconds,
    SecondsOrZero,
    check_topic,
    parse_brokers,
)
from taosink.settings.producer import check_gateway
from taosink.settings.rules import Faults, Values, rule
from taosink.settings.spec import Group, setting

MAX_BATCH = 1000


def parse_own_brokers(value: object) -> tuple[str, ...]:
    """No broker is an embedded one."""
    return parse_brokers(value) if value else ()


class LoadGroup(Group):
    """What is sent, and how fast."""

    heading: ClassVar[str] = "Load"

    connections: Count = setting(
        "bench.connections",
        5000,
        "Devices, each with a connection.",
        kind="number",
        short="connections",
        le=1_000_000,
    )
    mode: Literal["single", "batch", "idle"] = setting(
        "bench.mode",
        "single",
        "One reading a request, many, or pings alone, as idle devices send them.",
        short="mode",
    )
    ack: Literal["kafka", "stored", "both"] = setting(
        "bench.ack",
        "kafka",
        "Whose acknowledgement is asked for: Kafka's, the database's, or each for every other request.",
        short="ack",
    )
    rate: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = setting(
        "bench.rate",
        5000,
        "Requests a second in all, sent whether answers come or not; 0 sends as answers come.",
        kind="number",
        short="rate",
    )
    in_flight: Count = setting(
        "bench.in-flight",
        64,
        "Requests that wait for their answers in all, where the rate is 0.",
        kind="number",
        short="in-flight",
        le=100_000,
    )
    batch: Count = setting(
        "bench.batch",
        200,
        "Readings of one request in mode batch.",
        kind="number",
        short="batch",
        le=MAX_BATCH,
    )
    duration: Seconds = setting(
        "bench.duration", "20s", "Time that is measured.", kind="duration", short="duration"
    )
    warmup: SecondsOrZero = setting(
        "bench.warmup", "2s", "Time before that, which does not count.", kind="duration", short="warmup"
    )
    connect_rate: Annotated[float, Field(gt=0, le=1_000_000)] = setting(
        "bench.connect-rate", 1000, "Connections begun a second.", kind="number", short="connect-rate"
    )
    patience: Seconds = setting(
        "bench.patience",
        "35s",
        "Time for a connection to be taken, and for the last answers to come.",
        kind="duration",
        short="patience",
    )
    outcome: OptionalPath = setting(
        "bench.outcome",
        None,
        "File for the figures as JSON.",
        kind="file",
        shown="none",
        short="report",
        writes=True,
    )


class TargetGroup(Group):
    """The gateway. Without an address all that is needed is started, and stopped at the end."""

    heading: ClassVar[str] = "Gateway"

    url: Annotated[str, AfterValidator(check_gateway)] = setting(
        "bench.to",
        "",
        "Gateway to load: tcp://host:number or tls://host:number.",
        shown="one of its own",
        short="to",
    )
    key_file: OptionalPath = setting(
        "bench.token-key-file",
        None,
        "That gateway's ingress.token-key-file: each device gets a token of its own.",
        kind="file",
        reads=True,
        short="token-key-file",
    )
    ca: OptionalPath = setting(
        "bench.ca",
        None,
        "File (PEM) with the authorities that may sign that gateway's certificate.",
        kind="file",
        shown="the system's",
        reads=True,
        short="ca",
    )
    pid: CountOrZero = setting(
        "bench.pid",
        0,
        "That gateway's process, where it runs on this machine: its CPU and memory are told.",
        kind="number",
        shown="not known",
        short="pid",
        le=2**31 - 1,
    )
    brokers: Annotated[tuple[str, ...], BeforeValidator(parse_own_brokers)] = setting(
        "bench.brokers",
        "",
        "Kafka for a gateway of its own, without TLS and login: host:port, separated by commas.",
        kind="list",
        shown="an embedded one",
        short="kafka.brokers",
    )
    topic: Annotated[str, AfterValidator(check_topic)] = setting(
        "bench.topic",
        "taosink-bench",
        "Topic for readings there; the gateway's other topics are named after it.",
        short="topic",
        max_length=200,
    )


@rule("bench.to", "bench.token-key-file", "bench.ca", "bench.pid", "bench.brokers")
def _of_which_gateway(values: Values) -> Faults:
    if values["bench.to"]:
        if values["bench.brokers"]:
            yield "bench.brokers", "is for a gateway of its own: leave it out, or bench.to"
        return
    for name in ("bench.token-key-file", "bench.ca", "bench.pid"):
        if values[name]:
            yield name, "is about the gateway that bench.to names: give that too"


class LoadSettings(CommandSettings):
    """Everything that `taosink bench ingress` can be told."""

    load: LoadGroup = LoadGroup()
    target: TargetGroup = TargetGroup()

"""The settings of `taosink send`."""

import re
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from taosink.settings.connection import OBSOLETE_KAFKA, CommandSettings, KafkaSettings
from taosink.settings.kinds import Flag, OptionalPath, Seconds, check_topic
from taosink.settings.rules import Faults, Values, rule
from taosink.settings.spec import Group, Obsolete, setting

_HEADER = re.compile(r"([^=]{1,249})=(.*)", re.DOTALL)


def parse_headers(value: object) -> tuple[tuple[str, str], ...]:
    """Texts of the form name=value, in their order; a name may come twice. Commas belong to values."""
    texts = [value] if isinstance(value, str) else list(value) if isinstance(value, Iterable) else []
    found: list[tuple[str, str]] = []
    for text in texts:
        if isinstance(text, tuple):
            found.append(text)
        elif text:
            pair = _HEADER.fullmatch(str(text))
            if pair is None:
                raise ValueError("is no header; write name=value, and the flag once for each")
            found.append((pair[1], pair[2]))
    return tuple(found)


class MessageGroup(Group):
    """What is sent. Without message and message-file it is standard input, a message a line."""

    heading: ClassVar[str] = "What is sent"

    message: str | None = setting(
        "send.message", None, "The message; empty is one too.", shown="none", short="message"
    )
    file: OptionalPath = setting(
        "send.message-file", None, "File that is the message.", kind="file", short="message-file", reads=True
    )
    whole: Flag = setting(
        "send.whole",
        False,
        "Standard input is one message, and not one a line (empty lines are passed over).",
        kind="bool",
        short="whole",
    )
    key: str = setting(
        "send.key", "", "Key of each message.", shown="none; with json-record the device", short="key"
    )
    headers: Annotated[tuple[tuple[str, str], ...], BeforeValidator(parse_headers)] = setting(
        "send.header", "", "Header, name=value; repeat the flag for more.", kind="list", short="header"
    )
    json_record: Flag = setting(
        "send.json-record",
        False,
        "Each message is a record in JSON: it is checked, and sent in MessagePack with its device as key.",
        kind="bool",
        short="json-record",
    )


class WhereGroup(Group):
    """Where it goes, and when it counts as sent."""

    heading: ClassVar[str] = "Where to"

    topic: Annotated[str, AfterValidator(check_topic)] = setting(
        "topic", "test", "Topic to send to.", old_env=["TOPIC"]
    )
    create: Flag = setting(
        "send.create",
        False,
        "Create the topic, with 10 partitions, where it is missing.",
        kind="bool",
        short="create",
    )
    partitioner: Literal["hash", "random", "manual"] = setting(
        "send.partitioner",
        "hash",
        "hash: FNV-1a of the key, as all of taosink does (without a key: random); manual: by partition.",
        short="partitioner",
    )
    partition: Annotated[int, Field(ge=-1, lt=2**31)] = setting(
        "send.partition",
        -1,
        "Partition, for partitioner manual.",
        kind="number",
        shown="none",
        short="partition",
    )
    acks: Literal["all", "1", "0"] = setting(
        "send.acks",
        "all",
        "Who has to have it: all replicas, the leader, or nobody (what is lost is then not told).",
        short="acks",
    )
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = setting(
        "send.compression", "snappy", "How messages are compressed.", short="compression"
    )
    flush_every: Seconds = setting(
        "send.flush-every",
        "500ms",
        "Longest time that a message waits for others to travel with.",
        kind="duration",
        short="flush-every",
        le=900,
    )
    timeout: Seconds = setting(
        "send.timeout",
        "30s",
        "Longest time for a message to be delivered in.",
        kind="duration",
        short="timeout",
        le=2_000_000,
    )


class SendSettings(CommandSettings):
    """Everything that `taosink send` can be told."""

    obsolete: ClassVar[tuple[Obsolete, ...]] = OBSOLETE_KAFKA

    message: MessageGroup = MessageGroup()
    where: WhereGroup = WhereGroup()
    kafka: KafkaSettings = KafkaSettings()


@rule("send.message", "send.message-file", "send.whole")
def _one_source(values: Values) -> Faults:
    message = values["send.message"] is not None
    if message and values["send.message-file"] is not None:
        yield "send.message-file", "is given beside message; give one of them"
    elif values["send.whole"] and (message or values["send.message-file"] is not None):
        yield "send.whole", "is about standard input, which is not read where a message is given"


@rule("send.partitioner", "send.partition")
def _partition(values: Values) -> Faults:
    manual, given = values["send.partitioner"] == "manual", values["send.partition"] >= 0
    if manual and not given:
        yield "send.partition", "is needed, because partitioner is manual"
    elif given and not manual:
        # Going on would send it to a partition that its sender did not choose.
        yield "send.partition", f"is given, but partitioner is {values['send.partitioner']}; write manual"


@rule("send.timeout", "send.flush-every")
def _times(values: Values) -> Faults:
    if values["send.flush-every"] >= values["send.timeout"]:
        yield "send.flush-every", "must be below timeout: the message would be given up before it is sent"

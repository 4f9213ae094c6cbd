"""`taosink tail`: shows a topic's messages. Nothing is committed, no group is joined."""

import sys
from collections.abc import Callable, Iterator, Mapping
from io import TextIOWrapper
from itertools import islice
from typing import Any

from taosink.clients import kafka_properties
from taosink.kafka.topic_reader import Span, TopicMissingError, TopicReader
from taosink.kafka.topic_tail import TopicTail
from taosink.kafka.topics import TopicError
from taosink.messages.missing import ask_for, told
from taosink.messages.shown import Found, as_json, as_lines
from taosink.messages.starts import From, starts
from taosink.ports import SourceMessage
from taosink.settings.tail import TailGroup, TailSettings
from taosink.tools import FINE, fail

TIMESTAMP_MISSING = 0

Brokers = Callable[[str], None]


def run_tail(settings: TailSettings) -> int:
    """Prints until the end of what there is, until the count, or for ever. Exit code 0, or 1 with one line."""
    tail, properties = settings.tail, kafka_properties(settings.kafka)
    if isinstance(sys.stdout, TextIOWrapper):
        # A terminal that is not UTF-8 gets an escape for what it lacks, and no exception.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        for found in islice(messages(properties, tail, brokers_told), tail.count or None):
            for line in [as_json(found)] if tail.as_json else as_lines(found):
                sys.stdout.write(line + "\n")
            sys.stdout.flush()
    except TopicMissingError:
        return fail("tail", ask_for(properties, tail.topic, tail.timeout))
    except TopicError as error:
        return fail("tail", told(error))
    return FINE


def brokers_told(reason: str) -> None:
    """On standard error, once when the brokers go and once when one is back."""
    text = (
        f"no broker answers ({reason}); going on by itself when one does"
        if reason
        else "a broker answers again"
    )
    sys.stderr.write(f"taosink tail: {text}\n")
    sys.stderr.flush()


def messages(properties: Mapping[str, Any], tail: TailGroup, on_brokers: Brokers) -> Iterator[Found]:
    """What is to be shown, in the order of each partition. Raises TopicError. Blocks for the broker."""
    with TopicTail(properties, tail.topic, on_brokers=on_brokers, timeout=tail.timeout) as reader:
        extent = reader.extent()
        begin = _starts(reader, tail.begin, extent)
        if tail.follow or tail.begin.kind == "latest":
            chunks = reader.follow(begin)
        else:
            spans = [Span(p, start, extent[p].end) for p, start in begin.items()]
            chunks = reader.read(spans, idle=tail.timeout)
        for chunk in chunks:
            for message in chunk:
                yield found_of(message)


def _starts(reader: TopicReader, begin: From, extent: Mapping[int, Span]) -> dict[int, int]:
    at_time = reader.at_time(extent, begin.value) if begin.kind == "time" else {}
    return starts(begin, {p: (span.start, span.end) for p, span in extent.items()}, at_time)


def found_of(message: SourceMessage) -> Found:
    """A message of the Kafka client, apart from the client."""
    kind, at = message.timestamp()
    return Found(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp_ms=None if kind == TIMESTAMP_MISSING else at,
        key=message.key(),
        value=message.value(),
        headers=tuple(message.headers() or ()),
    )

"""`taosink send`: messages from a flag, a file or standard input into a topic, with a report for each."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from taosink.clients import kafka_properties
from taosink.kafka.advertised import refuse_unknown_names
from taosink.kafka.publish import Publisher, PublishError
from taosink.kafka.topics import METADATA_TIMEOUT_S, TopicError, admin_client, all_topics, ensure_topic
from taosink.messages.missing import no_such_topic, told
from taosink.messages.outgoing import MessageError, Outgoing, choose, outgoing, whole_lines
from taosink.settings.send import MessageGroup, SendSettings, WhereGroup
from taosink.tools import FINE, fail, progress

NEW_PARTITIONS = 10
MARGIN = 5.0
"""Seconds beyond a message's own time in which the client reports that it was given up."""


@dataclass(slots=True)
class Reports:
    """What became of the messages. Written by the publisher's thread, but for `refused`."""

    topic: str
    say: Callable[[str], None]
    complain: Callable[[str], None]
    delivered: int = 0
    refused: int = 0
    closed: bool = field(default=False)
    _brokers_down: bool = field(default=False)

    def report(self, number: int, error: Any, message: Any) -> None:
        """One delivery report: `topic partition offset` where it was delivered."""
        if error is not None:
            self.complain(f"message {number} was not delivered: {error.str()} ({error.name()})")
            return
        self._brokers_down = False
        self.delivered += 1
        # Nobody confirms where acks is 0, and nobody knows the offset.
        offset = message.offset() if message.offset() is not None and message.offset() >= 0 else "-"
        try:
            self.say(f"{self.topic} {message.partition()} {offset}")
        except OSError:
            self.closed = True  # whoever read the reports has gone: told once all is delivered

    def client_error(self, error: PublishError) -> None:
        """What concerns the connection, once until something is delivered again."""
        if error.fatal or not self._brokers_down:
            self._brokers_down = True
            self.complain(f"{error}; going on by itself when a broker answers")


def run_send(settings: SendSettings) -> int:
    """Sends and waits for each report. Exit code 0 only if all were delivered, else 1."""
    where, properties = settings.where, kafka_properties(settings.kafka)
    try:
        count = _partitions(properties, where)
        choose(where.partitioner, None, count, where.partition)
        publisher, reports = _publisher(properties, settings)
    except TopicError as error:
        return fail("send", told(error))
    except (MessageError, PublishError) as error:
        return fail("send", error)
    try:
        sent = _send_all(settings, count, publisher, reports)
    finally:
        left = publisher.close(where.timeout + MARGIN)
    return _outcome(sent, left, reports)


def _outcome(sent: int, left: int, reports: Reports) -> int:
    if left:
        reports.complain(f"{left} messages were given up: nobody knows whether they were delivered")
    if reports.delivered != sent:
        return fail("send", f"{reports.delivered} of {sent} messages were delivered")
    if reports.closed:
        raise BrokenPipeError
    return FINE


def _send_all(settings: SendSettings, count: int, publisher: Publisher, reports: Reports) -> int:
    sent = 0
    # Between the reports on the same terminal a bar would be torn apart.
    with progress(shown=False if sys.stdout.isatty() else None) as step:
        for raw in _given(settings.message):
            sent += 1
            try:
                message = outgoing(raw, settings.message.key, json_record=settings.message.json_record)
                _produce(message, settings, count, publisher, partial(reports.report, sent))
            except (MessageError, PublishError) as error:
                reports.complain(f"message {sent} was not sent: {error}")
            step("delivered", reports.delivered, sent)
            if publisher.fatal:
                break
        publisher.flush(settings.where.timeout + MARGIN)
    return sent


def _produce(
    message: Outgoing, settings: SendSettings, count: int, publisher: Publisher, report: Callable[..., None]
) -> None:
    where = settings.where
    headers = [(name, value.encode("utf-8", "surrogateescape")) for name, value in settings.message.headers]
    partition = choose(where.partitioner, message.key, count, where.partition)
    taken = publisher.produce(
        where.topic,
        message.value,
        key=message.key,
        partition=partition,
        headers=headers,
        on_delivery=report,
        timeout=where.timeout,
    )
    if not taken:
        raise MessageError(f"the queue was full for {where.timeout:g} s: no broker takes messages")


def _given(message: MessageGroup) -> Iterator[bytes]:
    if message.message is not None:
        yield message.message.encode("utf-8", "surrogateescape")
        return
    if message.file is not None:
        yield message.file.read_bytes()
        return
    if sys.stdin.isatty():
        _complain("reading standard input; Ctrl-D ends it")
    if message.whole:
        yield sys.stdin.buffer.read()
    else:
        yield from whole_lines(sys.stdin.buffer)


def _partitions(properties: Mapping[str, Any], where: WhereGroup) -> int:
    """How many the topic has. Asked before anything is sent: a name that is misspelt makes no topic."""
    admin = admin_client(properties)
    topics = all_topics(admin, timeout=min(where.timeout, METADATA_TIMEOUT_S))
    refuse_unknown_names(admin, timeout=where.timeout)
    if where.topic in topics:
        return topics[where.topic].partitions
    if where.create:
        return ensure_topic(admin, where.topic, NEW_PARTITIONS).partitions
    raise MessageError(f"{no_such_topic(where.topic, topics)} (--create makes it)")


def _publisher(properties: Mapping[str, Any], settings: SendSettings) -> tuple[Publisher, Reports]:
    where, message = settings.where, settings.message
    alone = message.message is not None or message.file is not None or message.whole
    reports = Reports(where.topic, _say, _complain)
    own = {
        "acks": where.acks,
        "enable.idempotence": where.acks == "all",
        "compression.type": where.compression,
        # A message that is the only one has none to wait for.
        "linger.ms": 0 if alone else round(where.flush_every * 1000),
        "message.timeout.ms": round(where.timeout * 1000),
    }
    return Publisher({**properties, **own}, on_error=reports.client_error, name="taosink-send"), reports


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _complain(line: str) -> None:
    sys.stderr.write(f"taosink send: {' '.join(line.split())}\n")

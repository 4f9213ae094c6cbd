"""The audit of a topic: what Kafka holds against what the database and the dead letters hold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taosbatch.encoding import Layout
from taosink.audit.account import Account
from taosink.audit.bounds import Bound, Known, Part, resolve
from taosink.audit.comparing import Comparison
from taosink.audit.loading import load_letters, load_records
from taosink.audit.readings import Readings
from taosink.audit.spill import Spill
from taosink.kafka.topic_reader import Span, TopicReader, committed_offsets
from taosink.ports import Driver, SourceMessage
from taosink.records.routes import Route

EARLIEST, COMMITTED = Bound("earliest"), Bound("committed")

Progress = Callable[[str, int, int], None]
"""Told what is done of what, in records: (phase, done, total)."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be audited. `layout` has the database's own precision. `directory` is for the temporary file
    (empty: the system's), which takes about the room of the range's records, twice while they are sorted."""

    topic: str
    dead_letters: str
    layout: Layout
    first: Bound = EARLIEST
    last: Bound = COMMITTED
    group: str = ""
    route: Route | None = None
    directory: str = ""
    max_named: int = 100
    idle: float = 10.0


def audit_topic(
    question: Question,
    properties: Mapping[str, Any],
    driver: Driver,
    *,
    progress: Progress = lambda _phase, _done, _total: None,
) -> Account:
    """Blocks for broker, database and disk. Memory stays within some tens of MB, whatever the range holds.

    The range is settled first and the dead letters are read after that, so that of a running group's
    committed records each one is found. Raises RangeError, topics.TopicError, TaosError or SpillError.
    """
    topic = question.topic
    with TopicReader(properties, topic) as reader, Spill(question.directory) as spill:
        committed = _committed(question, properties, reader)
        parts = resolve(topic, question.first, question.last, _known(question, reader, committed))
        account = Account.over(topic, parts, group=question.group, max_named=question.max_named)
        _remark(account, parts, question)
        _letters(question, properties, spill, account, progress)
        readings = Readings(question.layout, question.route)
        spans = [Span(p.partition, p.start, p.end) for p in parts]
        load_records(
            reader.read(spans, idle=question.idle),
            spill,
            readings,
            account,
            _steps(progress, "records read", sum(map(len, spans))),
        )
        comparison = Comparison(
            driver, readings, spill, account, question.layout.precision, committed=committed
        )
        comparison.run(_steps(progress, "records compared", account.records))
        tail = [Span(p.partition, p.end, p.high) for p in parts if p.end < p.high]
        doubt = next(spill.disputes(), None) is not None
        comparison.settle(
            reader.read(tail, idle=question.idle) if doubt else (),
            _steps(progress, "records behind", sum(map(len, tail))),
        )
    return account


def _steps(progress: Progress, phase: str, total: int) -> Callable[[int], None]:
    done = 0

    def step(count: int) -> None:
        nonlocal done
        done += count
        progress(phase, done, total)

    return step


def _committed(question: Question, properties: Mapping[str, Any], reader: TopicReader) -> Mapping[int, int]:
    if not question.group:
        return {}
    return committed_offsets(properties, question.topic, question.group, sorted(reader.extent()))


def _known(question: Question, reader: TopicReader, committed: Mapping[int, int]) -> Known:
    extent = reader.extent()
    times = [
        reader.at_time(extent, bound.value) if bound.kind == "time" else {}
        for bound in (question.first, question.last)
    ]
    pairs = {p: (span.start, span.end) for p, span in extent.items()}
    return Known(pairs, question.group, committed, *times)


def _remark(account: Account, parts: Sequence[Part], question: Question) -> None:
    if question.last.kind != "committed":
        return
    behind = sum(p.high - p.end for p in parts)
    if behind:
        account.remarks.append(f"{behind:,} records behind the group's committed offsets are not audited")


def _letters(
    question: Question, properties: Mapping[str, Any], spill: Spill, account: Account, progress: Progress
) -> None:
    with TopicReader(properties, question.dead_letters) as reader:
        if not reader.exists():
            account.remarks.append(f"there is no dead-letter topic {question.dead_letters!r}")
            return
        spans = list(reader.extent().values())
        step = _steps(progress, "dead letters read", sum(map(len, spans)))
        load_letters(_told(reader.read(spans, idle=question.idle), step), spill, account)
    if account.letters_foreign:
        account.remarks.append(
            f"{account.letters_foreign:,} records of {question.dead_letters!r} are no dead letters and count"
            " for nothing: something else writes there, or dlq.topic names the wrong topic"
        )


def _told(
    chunks: Iterator[Sequence[SourceMessage]], step: Callable[[int], None]
) -> Iterator[Sequence[SourceMessage]]:
    for chunk in chunks:
        yield chunk
        step(len(chunk))

"""`taosink dlq list|show|stats|purge`: each asks the topic, shows what it found, and answers with an exit code."""

import json
import sys
from collections.abc import Callable, Container, Iterable
from itertools import islice

from taosink.audit.bounds import Bound, Known, RangeError, resolve
from taosink.clients import kafka_properties
from taosink.dlq import view
from taosink.dlq.filters import Filter
from taosink.dlq.letters import Found
from taosink.dlq.purge_plan import Prefix, prefix, replayed_before
from taosink.dlq.scan import LetterBox, Place
from taosink.dlq.stats import Stats
from taosink.kafka.delete_records import delete_before
from taosink.kafka.topics import TopicError
from taosink.settings.dlq import (
    DlqListSettings,
    DlqPurgeSettings,
    DlqShowSettings,
    DlqStatsSettings,
    FilterSettings,
)
from taosink.tools import FINE, fail, progress, terminal


def meant(settings: FilterSettings) -> Filter:
    return Filter(
        reasons=frozenset(settings.reasons),
        classes=frozenset(settings.classes),
        codes=frozenset(settings.codes),
        device=settings.device,
        origin=settings.origin,
        since_ms=None if settings.since is None else round(settings.since.timestamp() * 1000),
        until_ms=None if settings.until is None else round(settings.until.timestamp() * 1000),
    )


def say(told: object) -> None:
    """One JSON object a line."""
    sys.stdout.write(json.dumps(told, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def guarded(command: str, run: Callable[[], int]) -> int:
    """The command's exit code; 1 with one line where the topic or the range is not what was asked for."""
    try:
        return run()
    except (TopicError, RangeError) as error:
        return fail(command, error)


def run_list(settings: DlqListSettings) -> int:
    """Lists letters, oldest first in each partition. Exit code 0, or 1 where the topic cannot be read."""
    return guarded("dlq list", lambda: _list(settings))


def _list(settings: DlqListSettings) -> int:
    letters, limit, chosen = settings.origin.dead_letters, settings.output.limit, meant(settings.filter)
    with progress() as step, LetterBox(kafka_properties(settings.kafka), letters, progress=step) as box:
        receipts = box.receipts()
        found: Iterable[Found] = (f for f in box.all() if f.kind != "receipt" and chosen.takes(f))
        if settings.output.as_json:
            for record in islice(found, limit or None):
                say(view.letter_json(record, receipts.get(Place(record.partition, record.offset))))
            return FINE
        rows = list(islice(found, limit + 1 if limit else None))
    more = bool(limit) and len(rows) > limit
    noted = [
        (f, view.letter_note(f, receipts.get(Place(f.partition, f.offset)))) for f in rows[: limit or None]
    ]
    console = terminal()
    console.print(view.letter_table(noted, f"dead letters in {letters}"))
    console.print(
        f"the first {limit}; --limit tells how many, --limit=0 all" if more else f"{len(noted)} in all"
    )
    return FINE


def run_show(settings: DlqShowSettings) -> int:
    """Shows one record with all its headers. Exit code 0, or 1 where there is none at the place."""
    return guarded("dlq show", lambda: _show(settings))


def _show(settings: DlqShowSettings) -> int:
    letters, place = settings.origin.dead_letters, Place(*settings.place.place)
    with LetterBox(kafka_properties(settings.kafka), letters) as box:
        found = box.at(place)
        if found is None:
            span = box.extent.get(place.partition)
            holds = f"holds {span.start} to {span.end}" if span else f"has partitions 0 to {max(box.extent)}"
            return fail(
                "dlq show", f"topic {letters!r} has no record at {place.partition}:{place.offset}: it {holds}"
            )
        receipt = box.receipts().get(place) if found.kind == "letter" else None
    told = view.shown(found, receipt)
    if settings.output.as_json:
        say(told)
    else:
        for line in view.shown_lines(told):
            sys.stdout.write(line + "\n")
    return FINE


def run_stats(settings: DlqStatsSettings) -> int:
    """Counts letters by reason, class, code, device and origin. Exit code 0, or 1."""
    return guarded("dlq stats", lambda: _stats(settings))


def _stats(settings: DlqStatsSettings) -> int:
    letters, chosen = settings.origin.dead_letters, meant(settings.filter)
    stats = Stats()
    with progress() as step, LetterBox(kafka_properties(settings.kafka), letters, progress=step) as box:
        receipts = box.receipts()
        for found in box.all():
            if found.kind != "receipt" and chosen.takes(found):
                stats.add(found, replayed=Place(found.partition, found.offset) in receipts)
    if settings.output.as_json:
        say(stats.as_json())
    else:
        terminal().print(view.stats_table(stats, f"dead letters in {letters}"))
    return FINE


def run_purge(settings: DlqPurgeSettings) -> int:
    """Deletes the beginning of the dead-letter topic; only tells what it would delete without `yes`."""
    return guarded("dlq purge", lambda: _purge(settings))


def _purge(settings: DlqPurgeSettings) -> int:
    letters, properties = settings.origin.dead_letters, kafka_properties(settings.kafka)
    before = settings.purge.before
    if before == "":
        return fail("dlq purge", "--before is missing: an offset, partition:offset,..., end, or replayed")
    with progress() as step, LetterBox(properties, letters, progress=step) as box:
        receipts = box.receipts()
        offsets = _offsets(box, before, receipts)
        found = prefix(box.all(), offsets, receipts)
        starts = {p: span.start for p, span in box.extent.items()}
    if settings.purge.yes:
        offsets = {p: offset for p, offset in offsets.items() if offset > starts[p]}
        if offsets:
            found.offsets = delete_before(properties, letters, offsets)
    if settings.output.as_json:
        say(found.as_json(done=settings.purge.yes))
    else:
        for line in _purge_lines(found, letters, done=settings.purge.yes):
            sys.stdout.write(line + "\n")
    return FINE


def _offsets(box: LetterBox, before: Bound | str, receipts: Container[Place]) -> dict[int, int]:
    if not isinstance(before, Bound):
        return replayed_before(box.all(), {p: span.end for p, span in box.extent.items()}, receipts)
    known = Known({p: (span.start, span.end) for p, span in box.extent.items()})
    return {part.partition: part.end for part in resolve(box.topic, Bound("earliest"), before, known)}


def _purge_lines(found: Prefix, letters: str, *, done: bool) -> Iterable[str]:
    if found.waiting:
        verb = "are gone" if done else "would be lost"
        yield f"WARNING: {found.waiting:,} letters that were never replayed {verb}"
    if found.foreign:
        yield f"WARNING: {found.foreign:,} records are no dead letters: something else writes into {letters!r}"
    reasons = ", ".join(f"{name} {count:,}" for name, count in sorted(found.reasons.items()))
    told = f"{found.letters:,} letters{f' ({reasons})' if reasons else ''}, {found.receipts:,} receipts"
    yield f"deleted {told}" if done else f"would delete {told}; nothing was done: --yes does it"

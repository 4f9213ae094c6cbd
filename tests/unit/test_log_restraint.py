"""What keeps the log small, and what its lines say of places."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs
from support.letters import Source

from taosbatch.batch import Chunk
from taosbatch.encoding import Reason, Reject
from taosbatch.offsets import Lane, OffsetTracker
from taosink.kafka.dead_letter_log import SAY_AGAIN, LetterLog
from taosink.kafka.dlq_headers import describe
from taosink.observe import logs, places
from taosink.observe.places import MOST, Places
from taosink.observe.restraint import AT_ONCE, EVERY, Restraint
from taosink.taos.errors import TaosError, unquoted


def said(restraint: Restraint, times: int, method: str = "info", **event: Any) -> list[dict[str, Any]]:
    found = []
    for _ in range(times):
        with suppress(structlog.DropEvent):
            found.append(restraint(None, method, {"event": "a.b", **event}))
    return found


def test_some_lines_of_an_event_pass_and_then_one_now_and_then() -> None:
    """The next one that passes says how many did not; other events are not concerned."""
    now = [0.0]
    restraint = Restraint(clock=lambda: now[0])
    assert len(said(restraint, 1000)) == AT_ONCE
    assert len(said(restraint, 1, event="c.d")) == 1
    now[0] = EVERY
    assert [line["unsaid"] for line in said(restraint, 5)] == [1000 - AT_ONCE]
    now[0] = 2 * EVERY
    assert [line["unsaid"] for line in said(restraint, 1, unsaid=7)] == [11]
    now[0] += 1000 * EVERY
    assert all("unsaid" not in line for line in said(restraint, AT_ONCE))


def test_what_ends_a_process_and_what_was_asked_for_always_pass() -> None:
    """Critical lines, debug lines, and those whose pace is a setting."""
    restraint = Restraint(clock=lambda: 0.0)
    assert len(said(restraint, 100, "critical")) == 100
    assert len(said(restraint, 100, "debug")) == 100
    assert len(said(restraint, 100, event="consumer.stats")) == 100


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """The log of this process; put back afterwards."""
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    config = structlog.get_config()
    written = io.StringIO()
    yield written
    logs.configure()
    structlog.configure(**config)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = raising


def test_a_defect_at_every_record_does_not_fill_the_log(stream: io.StringIO) -> None:
    """Also where a library says it, each library for itself."""
    logs.configure("info", "json", stream=stream)
    for _ in range(500):
        structlog.get_logger().error("some.defect")
        logging.getLogger("one").warning("again")
        logging.getLogger("two").warning("again")
    assert len(stream.getvalue().splitlines()) == 3 * AT_ONCE


def test_whether_debug_lines_are_written_is_known(stream: io.StringIO) -> None:
    """Who asks first spares the call."""
    logs.configure("debug", "json", stream=stream)
    assert logs.debugging()
    logs.configure("info", "json", stream=stream)
    assert not logs.debugging()


def chunk(partition: int, first: int, count: int) -> Chunk:
    lane = Lane("test", partition)
    tracker = OffsetTracker()
    tracker.assign([lane])
    sources = [Source(at_offset=first + i) for i in range(count)]
    ticket = tracker.open(lane, first, first + count, count)
    return Chunk(lane, [b""] * count, sources, ticket, count)


def test_chunks_are_told_by_their_offsets_and_neighbours_are_joined() -> None:
    """Both ends belong to a range; a single record is its offset alone."""
    found = Places([chunk(0, 100, 100), chunk(0, 200, 5), chunk(1, 7, 1), chunk(0, 900, 2)]).texts()
    assert found == ["test/0:100-204", "test/1:7", "test/0:900-901"]


def test_many_places_are_bounded() -> None:
    """A line does not grow with the partitions."""
    found = Places([chunk(n, 0, 1) for n in range(0, 100, 2)]).texts()
    assert len(found) == MOST + 1
    assert found[-1] == f"and {50 - MOST} more"


def test_chunks_become_text_in_lines_that_are_written_alone(stream: io.StringIO) -> None:
    """A batch whose lines are below the level pays nothing for them."""
    logs.configure("info", "json", stream=stream)
    structlog.contextvars.bind_contextvars(chunks=Places([chunk(3, 5, 2)]))
    try:
        structlog.get_logger().info("some.line")
    finally:
        structlog.contextvars.unbind_contextvars("chunks")
    structlog.get_logger().info("another.line")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first["chunks"] == ["test/3:5-6"]
    assert "chunks" not in second


def test_runs_of_partitions_are_one_place() -> None:
    """An assignment of a thousand is a short line."""
    which = [Lane("b", 1), *(Lane("a", n) for n in (0, 1, 2, 5, 7, 8))]
    assert places.lanes(which) == ["a/0-2", "a/5", "a/7-8", "b/1"]
    assert places.offsets({Lane("a", 1): 17}) == ["a/1:17"]


def test_letters_of_one_kind_are_told_once_in_a_while() -> None:
    """A thousand are one line, which names the record; other reasons have their own."""
    now = [0.0]
    letters = LetterLog(clock=lambda: now[0])
    with capture_logs() as lines:
        for offset in range(1000):
            tell(letters, offset, Reason.VALUE)
        tell(letters, 5000, Reason.SHAPE)
        now[0] = SAY_AGAIN
        tell(letters, 1000, Reason.VALUE)
    assert [(line["offset"], line["unsaid"]) for line in lines] == [(0, 0), (5000, 0), (1000, 999)]
    assert all("secret value" not in str(line) for line in lines)


def tell(letters: LetterLog, offset: int, reason: Reason) -> None:
    source = Source(b"secret value", at_offset=offset)
    info = describe(source, Reject(0, reason, "secret value", "d1"), consumer="c", time_ms=0)
    letters.letter(source, info, "test.dlq")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("syntax error near '21.5, 'x')' (invalid data)", "syntax error near ... (invalid data)"),
        ("syntax error near \"21.5, 'x') (cut", "syntax error near ..."),
        ("Table does not exist: tb1", "Table does not exist: tb1"),
        ("the nearest one", "the nearest one"),
    ],
)
def test_what_a_server_quotes_of_a_statement_is_left_out(said: str, shown: str) -> None:
    """The rest of its words stays."""
    assert unquoted(said) == shown
    assert f": {shown} (" in str(TaosError(0x216, said))
    assert said in TaosError(0x216, said).answer


def test_a_line_that_is_left_out_takes_along_those_that_it_stood_for() -> None:
    """Whoever kept lines back before: the sum of lines and of what was not said is what happened."""
    now = [0.0]
    restraint = Restraint(clock=lambda: now[0])
    assert len(said(restraint, AT_ONCE + 3, unsaid=10)) == AT_ONCE
    now[0] = EVERY
    assert said(restraint, 1, unsaid=1)[0]["unsaid"] == 3 * 11 + 1


@pytest.mark.parametrize("event", ["kafka.lost_by_broker", "kafka.partition_stopped"])
def test_a_loss_is_never_left_out(event: str) -> None:
    """There is one line a partition, and no other tells of it."""
    assert len(said(Restraint(), 500, "error", event=event)) == 500


def test_what_a_page_shows_of_a_line_leaves_out_what_says_nothing() -> None:
    """Empty fields, and that nothing was left out."""
    logs.RECENT.add("warning", "another")
    logs.remember(None, "warning", {"event": "a.b", "code": "", "device": None, "unsaid": 0, "rows": 0})
    assert logs.RECENT.newest_first()[0].text == "a.b rows=0"
    logs.remember(None, "warning", {"event": "a.b", "unsaid": 3})
    assert logs.RECENT.newest_first()[0].text == "a.b unsaid=3"

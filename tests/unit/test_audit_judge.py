"""The rule by which rows are judged, against a model that applies the readings one by one."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from taosbatch.literals import Value
from taosink.audit.judge import Match, Row, match, rows_of
from taosink.audit.spill import Held

COLUMNS = ("a", "b", "c")
cells = st.lists(st.sampled_from([None, 1, 2, 3]), min_size=1, max_size=3)


def held(at: int, offset: int, values: Sequence[Value], *, partition: int = 0, dead: bool = False) -> Held:
    return Held("`d`", at, 0, partition, offset, 0, list(values), dead)


def row_of(*readings: Held) -> Row:
    (row,) = rows_of(readings, lambda _shape: COLUMNS)
    return row


def same(_name: str, sent: Value, actual: Any) -> bool:
    return sent == actual


def stored(readings: Sequence[Held]) -> dict[str, Value]:
    """What a database holds after these readings were written one after another."""
    found: dict[str, Value] = dict.fromkeys(COLUMNS)
    for reading in readings:
        found |= dict(zip(COLUMNS, reading.cells, strict=False))
    return found


@given(st.lists(cells, min_size=1, max_size=6))
def test_what_was_written_in_order_agrees(readings: Sequence[Sequence[Value]]) -> None:
    """Per column the last value counts, NULL too, and a column that was not given is kept."""
    written = [held(1, n, values) for n, values in enumerate(readings)]
    assert row_of(*written).differing(stored(written), same, open_start=False) == []


@given(st.lists(cells, min_size=1, max_size=6), st.sampled_from(COLUMNS))
def test_any_other_value_differs(readings: Sequence[Sequence[Value]], name: str) -> None:
    """No value but the last one passes, not even an earlier one."""
    written = [held(1, n, values) for n, values in enumerate(readings)]
    right = stored(written)
    for wrong in {None, 1, 2, 3, 4} - {right[name]}:
        assert row_of(*written).differing({**right, name: wrong}, same, open_start=False) == [name]


@given(st.lists(st.tuples(st.integers(0, 1), cells), min_size=1, max_size=6), st.randoms())
def test_partitions_may_have_been_written_in_any_order(
    readings: Sequence[tuple[int, Sequence[Value]]], random: Any
) -> None:
    """Where a device's readings are in two partitions, each way of interleaving them agrees."""
    lanes: Mapping[int, list[Held]] = {0: [], 1: []}
    for n, (partition, values) in enumerate(readings):
        lanes[partition].append(held(1, n, values, partition=partition))
    left = {p: list(lane) for p, lane in lanes.items()}
    written = []
    while any(left.values()):
        written.append(left[random.choice([p for p, lane in left.items() if lane])].pop(0))
    row = row_of(*lanes[0], *lanes[1])
    assert row.differing(stored(written), same, open_start=False) == []


@given(st.lists(st.tuples(cells, st.booleans()), min_size=1, max_size=6), st.data())
def test_replayed_letters_explain_values(
    readings: Sequence[tuple[Sequence[Value], bool]], data: st.DataObject
) -> None:
    """Dead letters may have been written later, or never: both agree."""
    written = [held(1, n, values, dead=dead) for n, (values, dead) in enumerate(readings)]
    required = [r for r in written if not r.dead]
    replayed = [r for r in written if r.dead and data.draw(st.booleans())]
    assert row_of(*written).differing(stored([*required, *replayed]), same, open_start=False) == []


def test_columns_that_nobody_gave() -> None:
    """They are NULL where the topic is read from its beginning, and anything where it is not."""
    row = row_of(held(1, 0, [1]))
    assert row.differing({"a": 1, "b": 2}, same, open_start=False) == ["b"]
    assert row.differing({"a": 1, "b": 2}, same, open_start=True) == []


def test_a_column_that_the_table_lacks() -> None:
    """A value that has no column cannot have been stored; NULL may."""
    row = row_of(held(1, 0, [1, 2]))
    assert row.differing({"a": 1}, same, open_start=False) == ["b"]
    assert row_of(held(1, 0, [1, None])).differing({"a": 1}, same, open_start=False) == []


def test_merged_and_repeated_are_told_apart() -> None:
    """Other nanoseconds merge, the very same timestamp repeats; dead letters are neither."""
    readings = [held(1, n, [1])._replace(rest=rest) for n, rest in enumerate((0, 5, 5, 0))]
    row = row_of(*readings, held(1, 9, [1], dead=True)._replace(rest=7))
    assert (row.required, row.merged, row.repeated) == (4, 1, 2)


TIMES = st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=12)


@given(TIMES, st.sets(st.integers(0, 12)))
def test_matching_agrees_with_sets(readings: Sequence[tuple[int, bool]], there: set[int]) -> None:
    """Found, missing, unexpected and replayed rows are those that plain sets tell."""
    sent = [held(at, n, [1], dead=dead) for n, (at, dead) in enumerate(sorted(readings, key=lambda r: r[0]))]
    required = {r.at for r in sent if not r.dead}
    letters = {r.at for r in sent if r.dead} - required

    def fetch(since: int) -> Iterator[tuple[int, Sequence[Any]]]:
        return ((at, [at]) for at in sorted(there) if at >= since)

    found = list(match(rows_of(sent, lambda _shape: COLUMNS), fetch))
    inside = {at for at in there if required and min(required) <= at <= max(required)}
    assert {m.row.at for m in found if m.stored is not None} == required & there
    assert {m.row.at for m in found if m.stored is None} == required - there
    assert all(m.stored == [m.row.at] for m in found if m.stored is not None)
    assert sum(m.replayed for m in found) == len(inside & letters)
    assert sum(m.unexpected for m in found) == len(inside - letters - required)


def test_the_database_is_read_no_further_than_the_readings_go() -> None:
    """Neither dead letters of an absurd time nor rows behind the last reading make it read on."""
    asked: list[int] = []

    def fetch(since: int) -> Iterator[tuple[int, Sequence[Any]]]:
        for at in range(since, 10_000):
            asked.append(at)
            yield at, [1]

    sent = [held(-99, 0, [1], dead=True), held(5, 1, [1]), held(6, 2, [1]), held(9_999, 3, [1], dead=True)]
    assert [m.stored for m in match(rows_of(sent, lambda _shape: COLUMNS), fetch)] == [[1], [1]]
    assert asked[0] == 5
    assert max(asked) <= 7


def test_a_device_of_dead_letters_alone_is_not_asked_for() -> None:
    """No statement for a device of which nothing has to be there."""
    sent = [held(1, 0, [1], dead=True)]
    found: list[Match] = list(match(rows_of(sent, lambda _shape: COLUMNS), lambda _at: 1 / 0))  # type: ignore[arg-type,return-value] # must not be called
    assert found == []


def test_the_origins_that_are_kept_are_bounded() -> None:
    """A device that stands still for a million readings is one row, and costs no more than a few."""
    row = row_of(*(held(1, n, [n]) for n in range(10_000)))
    assert (row.required, len(row.origins), row.by_partition) == (10_000, 20, {0: 10_000})


def test_rows_keep_the_order_of_the_spill() -> None:
    """Devices and times come as they were sorted."""
    sent = [held(at, at, [1])._replace(table=f"`{name}`") for name in "ab" for at in (1, 2)]
    rows = rows_of(sent, lambda _shape: COLUMNS)
    assert [(t, [r.at for r in g]) for t, g in groupby(rows, key=lambda r: r.table)] == [
        ("`a`", [1, 2]),
        ("`b`", [1, 2]),
    ]

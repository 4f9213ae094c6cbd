"""Column types from values."""

import re

from taosbatch.encoding import Stable
from taosbatch.inference import COLUMN_TEXT_BYTES, COLUMNS, ROW_BYTES, TAG_TEXT_BYTES, Inference
from taosbatch.literals import Value


def infer(*rows: list[Value], tag: str = "d") -> Stable:
    inference = Inference()
    for row in rows:
        inference.see("db", "stb", "ts", [(f"c{i}", cell) for i, cell in enumerate(row)], [("device", tag)])
    (found,) = inference.stables()
    return found


def test_the_first_value_that_is_not_null_decides() -> None:
    """Any number is DOUBLE, bool BOOL, text VARCHAR, only NULL is DOUBLE; the widest row counts."""
    found = infer([1, None, None], [True, True, None, "x"], ["x", 2.5])
    assert found == Stable(
        "db",
        "stb",
        (("ts", "TIMESTAMP"), ("c0", "DOUBLE"), ("c1", "BOOL"), ("c2", "DOUBLE"), ("c3", "VARCHAR(64)")),
        (("device", "VARCHAR(64)"),),
    )


def test_text_has_headroom_in_bytes() -> None:
    """Twice the longest UTF-8 text, up to the next power of two, at least 64; from 8 KiB on less and less."""
    sizes = {1: 64, 32: 64, 33: 128, 64: 128, 65: 256, 8192: 16_384, 8193: 16_384, 16_384: 16_384}
    sizes |= {16_385: 20_480, 20_000: 20_480, 60_000: 61_440, 65_000: 65_517, 65_517: 65_517}
    for size, declared in sizes.items():
        assert infer(["x" * size]).columns[1][1] == f"VARCHAR({declared})"
    assert infer(["é" * 33], [""]).columns[1][1] == "VARCHAR(256)"
    assert infer([""]).columns[1][1] == "VARCHAR(64)"


def test_a_text_that_no_column_takes_shapes_none() -> None:
    """Longer than any VARCHAR, column or tag: its row is refused, and the good rows beside it decide."""
    found = infer(["x" * (COLUMN_TEXT_BYTES + 1)], ["x" * 40], tag="t" * (TAG_TEXT_BYTES + 1))
    assert found.columns[1][1] == "VARCHAR(128)"
    assert found.tags == (("device", "VARCHAR(64)"),)
    assert infer(["é" * 32_759]).columns[1][1] == "VARCHAR(64)"


def test_one_text_column_leaves_room_for_others() -> None:
    """Head-room alone never takes more than a quarter of the row."""
    assert infer(["x" * 9_000]).columns[1][1] == "VARCHAR(16384)"
    assert infer(["x" * 9_000] * 3).columns[1:] == tuple((f"c{i}", "VARCHAR(16384)") for i in range(3))


def test_headroom_gives_way_to_the_rows_limit() -> None:
    """Where head-room would make the row too long, the longest texts seen decide."""
    found = infer(["x" * 300] * 200)
    assert {kind for _, kind in found.columns[1:]} == {"VARCHAR(300)"}


def test_texts_that_cannot_all_fit_are_cut_in_proportion() -> None:
    """The table can be made all the same; rows that do not fit are for the database to refuse."""
    found = infer(["x" * 60_000, "y"], ["x", "y" * 60_000, 5])
    sizes = [int(n) for _, kind in found.columns for n in re.findall(r"\d+", kind)]
    assert sum(sizes) + 2 * len(sizes) + 8 + 8 <= ROW_BYTES
    assert min(sizes) > 30_000


def test_more_columns_than_a_table_can_have_are_left_out() -> None:
    """Columns and tags together stay within the server's number."""
    found = infer([1] * 5_000)
    assert len(found.columns) + len(found.tags) == COLUMNS


def test_each_supertable_is_found_once() -> None:
    """Rows of several supertables give several, in the order in which they were seen."""
    inference = Inference()
    for name in ("b", "a", "b"):
        inference.see("db", name, "ts", [("v", 1)], [("t", "x")])
    assert [stable.name for stable in inference.stables()] == ["b", "a"]
    assert Inference().stables() == []

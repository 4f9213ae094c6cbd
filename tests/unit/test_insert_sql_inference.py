"""Column types from values."""

import re

from taosbatch.encoding import Stable
from taosbatch.inference import COLUMN_TEXT_BYTES, COLUMNS, ROW_BYTES, Inference
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
    """Twice the longest UTF-8 text, up to the next power of two, at least 64."""
    sizes = {1: 64, 32: 64, 33: 128, 64: 128, 65: 256, 20_000: 65_517}
    for size, declared in sizes.items():
        assert infer(["x" * size]).columns[1][1] == f"VARCHAR({declared})"
    assert infer(["é" * 33], [""]).columns[1][1] == "VARCHAR(256)"
    assert infer([""]).columns[1][1] == "VARCHAR(64)"


def test_text_never_passes_the_columns_limit() -> None:
    """A text longer than any VARCHAR gives the longest VARCHAR."""
    assert infer(["x" * 70_000]).columns[1][1] == f"VARCHAR({COLUMN_TEXT_BYTES})"


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

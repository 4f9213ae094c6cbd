"""The table of faults in docs/DESIGN.md names tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEADING = "## Faults, and the tests that show them"
NAMED = re.compile(r"`(?:(test_\w+\.py))?(?:::(test_\w+))?`")


def rows() -> list[str]:
    text = (ROOT / "docs/DESIGN.md").read_text(encoding="utf-8").split(HEADING)[1].split("\n## ")[0]
    found = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| **")]
    return found[1:]


def test_each_row_names_tests_that_exist() -> None:
    """A file alone stands for all its tests; `::name` belongs to the file named before it."""
    files = {path.name: path.read_text(encoding="utf-8") for path in ROOT.glob("tests/*/test_*.py")}
    for row in rows():
        shown_by = row.rsplit("|", 2)[1]
        file = ""
        named = [match for match in NAMED.finditer(shown_by) if match[1] or match[2]]
        assert named, row
        for match in named:
            file = match[1] or file
            assert file in files, f"{file} of {row}"
            if match[2]:
                assert f"def {match[2]}(" in files[file], f"{file}::{match[2]} of {row}"


def test_the_table_is_found() -> None:
    """All faults stand in one table; were it moved, the test above would see nothing."""
    assert len(rows()) >= 40


@pytest.mark.parametrize(("text", "found"), [("`test_a.py::test_b`", 1), ("`a.py`", 0), ("`::test_b`", 1)])
def test_names_are_told_from_other_code(text: str, found: int) -> None:
    """Only test files and test functions count."""
    assert len([m for m in NAMED.finditer(text) if m[1] or m[2]]) == found

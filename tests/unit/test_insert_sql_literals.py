"""How values and names are written."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taosbatch import names
from taosbatch.literals import SMALLEST_NORMAL, LiteralError, literal, row


@pytest.mark.parametrize(
    ("value", "sql"),
    [
        (None, b"null"),
        (True, b"true"),
        (False, b"false"),
        (-(2**63), b"-9223372036854775808"),
        (2**63 - 1, b"9223372036854775807"),
        (1e16, b"1e16"),
        (1.5e300, b"1.5e300"),
        (1e-7, b"1e-7"),
        (-1.5e-7, b"-1.5e-7"),
        (1.234e-05, b"0.00001234"),
        (-1e-05, b"-0.00001"),
        (0.0001, b"0.0001"),
        (-0.0, b"-0.0"),
        (100.0, b"100.0"),
        (SMALLEST_NORMAL, b"2.2250738585072014e-308"),
        ("", b"''"),
        ("it's", b"'it\\'s'"),
        ('say "x"', b"'say \"x\"'"),
        ("back\\slash", b"'back\\\\slash'"),
        ("line\nend", b"'line\nend'"),
        ("漢🚀", "'漢🚀'".encode()),
    ],
)
def test_literal_has_one_form(value: object, sql: bytes) -> None:
    """Each value has exactly one text."""
    assert literal(value) == sql


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (float("-inf"), "inf"),
        (5e-324, "subnormal"),
        (-2.2250738585072009e-308, "subnormal"),
        (2**63, "64 bits"),
        (-(2**63) - 1, "64 bits"),
        (2**70, "64 bits"),
        ("a\0b", "NUL"),
        ("\ud800", "surrogate"),
        (b"bytes", "bytes"),
        ([1], "list"),
        ({"a": 1}, "dict"),
    ],
)
def test_what_the_database_cannot_hold_is_refused(value: object, word: str) -> None:
    """The refusal says why."""
    with pytest.raises(LiteralError, match=word):
        literal(value)


def test_row_names_the_first_bad_value() -> None:
    """A row's refusal says where."""
    assert row([1, None, "x"]) == b"1,null,'x'"
    with pytest.raises(LiteralError, match="value 1: nan"):
        row([1, float("nan"), 2**70])


@settings(max_examples=500)
@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_reals_read_back_and_are_as_json_writes_them(value: float) -> None:
    """Two writers that know nothing of each other agree to the byte."""
    sql = literal(value)
    assert float(sql) == value
    assert sql == msgspec.json.encode(value)
    assert json.loads(sql) == value


@pytest.mark.parametrize("name", ["tb0", "a b", "x;y", "漢字", "'", '"', "x" * 192, "é" * 96])
def test_possible_table_names(name: str) -> None:
    """What fits between backticks and has no dot names a table."""
    assert names.table_problem(name, 192) is None
    assert names.is_table(name.encode(), 192)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("", "empty"),
        ("a.b", "'.'"),
        ("a`b", "backtick"),
        ("a\0b", "NUL"),
        ("x" * 193, "193 bytes"),
        ("é" * 97, "194 bytes"),
    ],
)
def test_impossible_table_names(name: str, word: str) -> None:
    """Both forms of the question agree, and the long one says why."""
    assert word in str(names.table_problem(name, 192))
    assert not names.is_table(name.encode(), 192)


def test_lone_surrogate_is_no_name() -> None:
    """A name that has no UTF-8 form is refused, not raised about."""
    assert "surrogate" in str(names.name_problem("\ud800"))


def test_bare_names_are_shorter() -> None:
    """Without a database before it the two backticks count against a name's length."""
    assert (names.table_limit(""), names.table_limit("db")) == (190, 192)


def test_folding_is_the_servers() -> None:
    """A-Z are lowered, letters beyond ASCII are not."""
    assert names.fold("TB-Éİ1", "lower") == "tb-Éİ1"
    assert names.fold("TB1", "lower") == "tb1"
    assert names.fold("TB1", "exact") == "TB1"


def test_quote_leaves_out_what_is_empty() -> None:
    """An empty database leaves the name unqualified."""
    assert names.quote("", "t") == "`t`"
    assert names.quote("db", "t") == "`db`.`t`"

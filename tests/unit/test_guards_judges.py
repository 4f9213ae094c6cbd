"""What a column of each type takes: each judge at its edges."""

import pytest

from taosbatch.judges import ANYTHING, INTEGERS, Lossy, column_rule, shown
from taosbatch.literals import Value

DOUBLE_ABOVE = 2**53 + 1


def refused(type_text: str, value: Value, lossy: Lossy = "allow") -> bool:
    return column_rule(type_text, lossy=lossy).judge(value) is not None


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_end_at_their_edges(name: str) -> None:
    """The edges are taken, as integers, texts and numbers with a fraction of zero; one further is refused."""
    low, high = INTEGERS[name]
    for edge in (low, high):
        assert not refused(name, edge)
        assert not refused(name, str(edge))
    assert refused(name, low - 1)
    assert refused(name, high + 1) == (high < 2**63 - 1)
    assert refused(name, 1e30)
    if high < 2**53:
        assert not refused(name, float(high))
        assert refused(name, float(high) + 1)
        assert refused(name, str(high + 1))


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("value", [True, False, "abc", "2023-11-14", "TRUE", "", "point(3.5 4)", "'"])
def test_integers_take_no_bool_and_no_words(name: str, value: Value) -> None:
    """Texts are taken where they are numbers."""
    assert refused(name, value)
    assert not refused(name, "7")
    assert not refused(name, None)


@pytest.mark.parametrize("value", [" 7", "0x1F", "0b11", "1e2", "NULL", "nan", "5.", ".5", "+", "-0", "e"])
@pytest.mark.parametrize("name", ["INT", "INT UNSIGNED", "BIGINT", "FLOAT", "DOUBLE", "BOOL"])
def test_what_stands_in_doubt_is_left_to_the_server(name: str, value: Value) -> None:
    """Forms that some server reads as a number, or as null."""
    assert not refused(name, value)


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("TINYINT", 127.4, True),
        ("TINYINT", 127.5, False),
        ("TINYINT", -128.5, False),
        ("TINYINT", -128.4, True),
        ("TINYINT UNSIGNED", -0.4, True),
        ("TINYINT UNSIGNED", -0.5, False),
        ("TINYINT", 126.99999999999999, True),
        ("INT", 0.49999999999999994, True),
        ("BIGINT", 2.0**63, True),  # the server compares as floats
        ("BIGINT", 2.0**63 + 2048, False),
        ("BIGINT", -(2.0**63), True),
        ("SMALLINT UNSIGNED", 2.0**63, True),  # wraps in a column
        ("SMALLINT UNSIGNED", 2.0**62, False),
        ("SMALLINT UNSIGNED", "9223372036854775808", True),
        ("SMALLINT UNSIGNED", "9223372036854775807", False),
        ("BIGINT UNSIGNED", "18446744073709551615", True),
        ("BIGINT UNSIGNED", "-1", True),  # a sign before an unsigned number: the server's affair
        ("SMALLINT", 2.0**63, False),
        ("TINYINT", "127.9", True),  # between quotes a fraction is rounded in the server's own way
        ("TINYINT", "1e3", False),
        ("TINYINT", "-1e3", False),
        ("TINYINT UNSIGNED", "-1.5", True),
        ("TINYINT UNSIGNED", "1e19", True),
        ("TINYINT UNSIGNED", "1e17", False),
    ],
)
def test_numbers_are_rounded_as_the_server_does(name: str, value: Value, taken: bool) -> None:
    """Halves away from zero, then the range."""
    assert refused(name, value) is not taken


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INT", 1.5),
        ("INT", "1.5"),
        ("BIGINT", -0.25),
        ("TINYINT UNSIGNED", 1e-7),
        ("SMALLINT UNSIGNED", 2.0**63),
        ("DOUBLE", DOUBLE_ABOVE),
        ("DOUBLE", -DOUBLE_ABOVE),
        ("DOUBLE", str(DOUBLE_ABOVE)),
        ("FLOAT", 2**24 + 1),
        ("BOOL", 2),
        ("BOOL", -1),
        ("BOOL", 0.5),
        ("BOOL", "7"),
        ("BOOL", "0.5"),
    ],
)
def test_lossy_values_are_refused_only_where_that_is_asked_for(name: str, value: Value) -> None:
    """The database would take each of them, changed."""
    assert refused(name, value, "reject")
    assert not refused(name, value, "allow")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INT", 5.0),
        ("INT", "5"),
        ("DOUBLE", 2**53),
        ("DOUBLE", 0.1),
        ("DOUBLE", 1e300),
        ("FLOAT", 2**24),
        ("FLOAT", 0.1),
        ("BOOL", 1),
        ("BOOL", 0.0),
        ("BOOL", "1"),
        ("BOOL", "True"),
        ("VARCHAR(8)", 1.5),
        ("NCHAR(8)", True),
        ("TIMESTAMP", "2023-11-14"),
    ],
)
def test_what_is_kept_is_not_lossy(name: str, value: Value) -> None:
    """Rounding to a column's own precision is what the column is for."""
    assert not refused(name, value, "reject")


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("FLOAT", 3.4028234663852886e38, True),
        ("FLOAT", -3.5e38, False),
        ("FLOAT", "9" * 39, False),
        ("FLOAT", "3.5e38", True),  # between quotes, the server judges
        ("FLOAT", True, False),
        ("DOUBLE", False, False),
        ("DOUBLE", 1.7e308, True),
        ("DOUBLE", "9" * 39, True),
        ("DOUBLE", "x1", False),
        ("BOOL", "yes", False),
        ("BOOL", "tru", True),
        ("BOOL", "", True),
        ("BOOL", 2**62, True),
        ("TIMESTAMP", 1.5, False),
        ("TIMESTAMP", True, False),
        ("TIMESTAMP", "", False),
        ("TIMESTAMP", "TRUE", False),
        ("TIMESTAMP", "point(3.5 4)", False),
        ("TIMESTAMP", " now", True),
        ("TIMESTAMP", "1e3", False),
        ("TIMESTAMP", "-7", True),
        ("TIMESTAMP", -(2**63), True),
        ("GEOMETRY(64)", "POINT(1 2)", True),
        ("GEOMETRY(64)", "point empty", True),
        ("GEOMETRY(64)", "", False),
        ("GEOMETRY(64)", "thirteen char", False),
        ("BOOL", " 7 ", False),
        ("GEOMETRY(64)", 1, False),
        ("GEOMETRY(64)", None, True),
        ("JSON", "anything", True),
        ("DECIMAL(10,2)", "anything", True),
        ("VARBINARY(4)", "éé", True),
        ("VARBINARY(4)", "ééé", False),
        ("VARBINARY(4)", 1, False),
        ("VARBINARY(4)", None, True),
        ("?", True, True),
    ],
)
def test_other_types(name: str, value: Value, taken: bool) -> None:
    """A type that nobody knows takes anything."""
    assert refused(name, value) is not taken


def test_texts_are_measured_in_bytes_or_characters() -> None:
    """VARCHAR counts UTF-8, NCHAR characters; numbers count as they are written."""
    for value, size, chars in (
        ("x" * 8, 8, 8),
        ("é" * 8, 16, 8),
        ("🚀" * 8, 32, 8),
        (-12345678, 9, 9),
        (1e-7, 4, 4),
    ):
        assert not refused(f"VARCHAR({size})", value)
        assert refused(f"VARCHAR({size - 1})", value)
        assert not refused(f"BINARY({size})", value)
        assert not refused(f"nchar({chars})", value)
        assert refused(f"NCHAR({chars - 1})", value)
    assert refused("VARCHAR(4)", False)
    assert not refused("VARCHAR(4)", True)


def test_what_may_be_widened_is_judged_by_the_widest() -> None:
    """ALTER can help up to there."""
    rule = column_rule("VARCHAR(8)", widest=100)
    assert rule.judge("x" * 100) is None
    assert (
        rule.judge("x" * 101)
        == "the text 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'… has 101 bytes, over 100"
    )
    assert column_rule("VARCHAR(200)", widest=100).judge("x" * 200) is None


def test_the_words_name_value_and_limit() -> None:
    """What an operator reads in a dead letter."""
    assert column_rule("TINYINT").judge(300) == "the integer 300 is outside -128 to 127"
    assert column_rule("INT").judge("no") == "the text 'no' is not a number"
    assert (
        column_rule("INT", lossy="reject").judge(1.5) == "the number 1.5 would be rounded: it holds integers"
    )
    assert column_rule("INT").judge(True) == "the bool true is not taken for an integer"
    assert shown(None) == "null"


def test_plain_values_are_a_part_of_what_is_taken() -> None:
    """Whatever a reader may take at a glance, the judge takes too; a narrow text column takes no number unseen."""
    for lossy in ("allow", "reject"):
        for name in [
            *INTEGERS,
            "FLOAT",
            "DOUBLE",
            "BOOL",
            "TIMESTAMP",
            "VARCHAR(8)",
            "VARCHAR(64)",
            "GEOMETRY(9)",
        ]:
            rule = column_rule(name, lossy=lossy)
            plain = rule.plain
            values: list[Value] = [None] if plain.nulls else []
            values += [True] * plain.bools + ["x" * (plain.chars or 0)] * (plain.chars is not None)
            for bounds in (plain.integers, plain.reals):
                values += bounds or ()
            assert [rule.judge(value) for value in values] == [None] * len(values), name
    assert column_rule("VARCHAR(8)").plain.integers is None
    assert column_rule("no such").plain is ANYTHING

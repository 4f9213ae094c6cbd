"""Flags as Go takes them."""

import pytest

from taosink.settings.flags import parse_flags

KNOWN = {"min.batch.size": False, "kafka.tls": True, "topic": False}


def test_every_way_to_write_a_flag() -> None:
    """One dash or two, a space or an equals sign."""
    flags = parse_flags(["-topic", "a", "--topic=b", "-topic=c=d", "--min.batch.size", "-5"], KNOWN)
    assert flags.pairs == [("topic", "a"), ("topic", "b"), ("topic", "c=d"), ("min.batch.size", "-5")]
    assert not flags.problems


def test_a_boolean_takes_no_value_but_by_equals() -> None:
    """`-x` is true, `-x=false` is false."""
    flags = parse_flags(["-kafka.tls", "--kafka.tls=false", "--topic", "t"], KNOWN)
    assert flags.pairs == [("kafka.tls", "true"), ("kafka.tls", "false"), ("topic", "t")]


def test_a_boolean_followed_by_its_value_is_refused_with_the_right_form() -> None:
    """Go would stop there without a word, and ignore every flag behind it."""
    flags = parse_flags(["--kafka.tls", "true", "--topic", "t"], KNOWN)
    assert "--flag=false" in str(flags.problems[0])


def test_unknown_flags_are_all_named_with_the_nearest() -> None:
    """And the flags behind them are still read."""
    flags = parse_flags(["--topik", "a", "--min.batch.sise=3", "--kafka.tls"], KNOWN)
    assert [p.setting for p in flags.problems] == ["--topik", "--min.batch.sise"]
    assert "--topic" in flags.problems[0].fault
    assert "--min.batch.size" in flags.problems[1].fault
    assert flags.pairs == [("kafka.tls", "true")]


def test_where_nothing_is_near_no_flag_is_named() -> None:
    """A hint at some other flag misleads; what stands behind it is its value, and those after it are read."""
    flags = parse_flags(["--bogus", "value", "--topic", "t"], {**KNOWN, "taos.user": False})
    (problem,) = flags.problems
    assert (problem.setting, problem.fault) == ("--bogus", "is no flag of this command")
    assert flags.pairs == [("topic", "t")]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("--kafka.broker", "--kafka.brokers"),
        ("--workr", "--worker"),
        ("--tls", "--kafka.tls"),
        ("--broker", "--kafka.brokers"),
        ("--workers", "--worker"),
        ("--worker.count.of.this.process", "--worker"),
    ],
)
def test_a_real_misspelling_names_its_nearest(written: str, meant: str) -> None:
    """Some letters that differ, or a part of the name that is missing or too many."""
    known = {**KNOWN, "kafka.brokers": False, "worker": False, "other.workers": False}
    (problem,) = parse_flags([written, "a"], known).problems[:1]
    assert problem.fault.endswith(f"the nearest is {meant}")


def test_what_stands_behind_an_unknown_flag_is_not_repeated() -> None:
    """It may be a secret."""
    flags = parse_flags(["--kafka.passwrd=hunter22", "--kafka.tlss", "hunter22"], KNOWN)
    flags.problems += parse_flags(["--topichunter22"], KNOWN).problems
    assert len(flags.problems) == 4
    assert "hunter22" not in " ".join(map(str, flags.problems))


def test_a_value_is_missing_at_the_end() -> None:
    """Said as a fault of the call."""
    (problem,) = parse_flags(["--topic"], KNOWN).problems
    assert problem.usage
    assert "needs a value" in problem.fault


def test_help_is_found_anywhere() -> None:
    """In all of Go's spellings."""
    assert all(parse_flags(["--topic", "a", h], KNOWN).help for h in ("-h", "-help", "--help"))

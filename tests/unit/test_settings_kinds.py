"""How values are written."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taosink.settings import kinds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("50us", 50e-6),
        ("50µs", 50e-6),
        ("200ms", 0.2),
        ("1m30s", 90),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("0", 0),
        ("10ns", 1e-8),
        ("-1s", -1),
    ],
)
def test_durations_are_read_as_go_reads_them(text: str, seconds: float) -> None:
    """Every unit of Go's durations, alone and together."""
    assert kinds.parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "100", "1 s", "s", "1d", "1s2", "ms100", "1,5s", "٣s nonsense"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    """A bare number has no unit, and the message shows one that has."""
    with pytest.raises(ValueError, match="200ms"):
        kinds.parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("256MiB", 256 << 20),
        ("256Mi", 256 << 20),
        ("64MB", 64_000_000),
        ("1k", 1000),
        ("4096", 4096),
        ("1.5GiB", 3 << 29),
        ("7B", 7),
        ("2 mib", 2 << 20),
    ],
)
def test_sizes_know_both_kinds_of_mega(text: str, size: int) -> None:
    """MiB counts in 1024, MB in 1000, a bare number in bytes."""
    assert kinds.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "1 XB", "-1", "1iB", "1MiBs"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """Anything but a number with a known unit."""
    with pytest.raises(ValueError, match="256MiB"):
        kinds.parse_size(text)


def test_booleans_are_those_of_go() -> None:
    """`yes` and `on` are refused, as Go refuses them."""
    assert [kinds.parse_bool(t) for t in ("1", "t", "TRUE", "true", "0", "F", "false")] == [True] * 4 + [
        False
    ] * 3
    for text in ("yes", "on", "", "tRUE"):
        with pytest.raises(ValueError, match="true or false"):
            kinds.parse_bool(text)


def test_brokers_are_a_list_of_host_and_port() -> None:
    """Several are separated by commas; each names its port."""
    assert kinds.parse_brokers("a:1, [::1]:9092,") == ("a:1", "[::1]:9092")
    for text in ("", "a", "a:0", "a:70000", "a b:1", "kafka://a:1"):
        with pytest.raises(ValueError, match="host:port"):
            kinds.parse_brokers(text)


def test_topics_are_a_list_or_one_pattern() -> None:
    """A pattern may hold commas; it cannot be mixed with names."""
    assert kinds.parse_topics("a,b,a") == ("a", "b")
    assert kinds.parse_topics("^m{1,2}$") == ("^m{1,2}$",)
    for text in ("", "a b", "a,^b", ".."):
        with pytest.raises(ValueError, match="topic"):
            kinds.parse_topics(text)


def test_properties_keep_commas_inside_values() -> None:
    """`debug=cgrp,topic,client.id=x` is two properties, one with a comma."""
    found = kinds.parse_properties(("debug=cgrp,topic,client.id=x", "a.b=c=d"))
    assert dict(found) == {"debug": "cgrp,topic", "client.id": "x", "a.b": "c=d"}


def test_properties_that_are_secrets_are_not_shown() -> None:
    """Neither the repr nor the text of the map holds the value of a secret property."""
    found = kinds.Properties({"ssl.keystore.password": "hunter22", "client.id": "edge"})
    assert "hunter22" not in repr(found)
    assert "hunter22" not in f"{found}"
    assert "edge" in repr(found)
    assert found["ssl.keystore.password"] == "hunter22"


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("-2", "earliest"),
        ("-1", "latest"),
        ("Earliest", "earliest"),
        ("0", 0),
        ("123", 123),
        ("2025-01-31T08:00:00Z", datetime(2025, 1, 31, 8, tzinfo=UTC)),
    ],
)
def test_the_start_is_a_word_an_offset_or_a_time(text: str, start: object) -> None:
    """The old numbers keep their meaning."""
    assert kinds.parse_offset(text) == start


@pytest.mark.parametrize("text", ["", "newest", "-3", "2025-01-31T08:00:00", str(2**63)])
def test_what_is_no_start_is_refused(text: str) -> None:
    """A time without a zone too: it would mean another moment on each machine."""
    with pytest.raises(ValueError, match=r"earliest|Z"):
        kinds.parse_offset(text)


def test_the_time_of_the_first_record() -> None:
    """`now`, or a time with its zone; offsets and ends of a topic are nothing here, and not offered."""
    start = datetime(2025, 1, 31, 8, tzinfo=UTC)
    assert kinds.parse_start("2025-01-31T08:00:00Z") == kinds.parse_start(start) == start
    assert kinds.parse_start("now") is kinds.parse_start("") is None
    for text in ("notatime", "earliest", "17"):
        with pytest.raises(ValueError, match=r"^is no time; write now or an RFC 3339 time such as 2025"):
            kinds.parse_start(text)
    with pytest.raises(ValueError, match="without a zone"):
        kinds.parse_start("2025-01-31T08:00:00")


@given(st.text(max_size=30))
def test_no_text_makes_a_reader_fail_otherwise_than_by_value_error(text: str) -> None:
    """Whatever somebody writes ends as a value or as a ValueError."""
    for parse in (
        kinds.parse_duration,
        kinds.parse_size,
        kinds.parse_offset,
        kinds.parse_start,
        kinds.parse_topics,
        kinds.parse_properties,
    ):
        try:
            parse(text)
        except ValueError:
            continue

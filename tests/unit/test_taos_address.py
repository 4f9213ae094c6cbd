"""Every form in which users write a TDengine address, and the mistakes they make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taosink.taos.address import Address, parse


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("root:taosdata/tcp(tdengine:6030)/test", Address("native", "tdengine", 6030, database="test")),
        ("root:taosdata@tcp(tdengine:6030)/test", Address("native", "tdengine", 6030, database="test")),
        ("root:taosdata@/tcp(tdengine:6030)/test", Address("native", "tdengine", 6030, database="test")),
        ("u:p@http(h:16041)/db", Address("rest", "h", 16041, "u", "p", "db")),
        ("u:p@https(h)/", Address("rest", "h", 6041, "u", "p", "", tls=True)),
        ("u:p%2F%40@tcp(h:1)/db", Address("native", "h", 1, "u", "p/@", "db")),
        ("u:p@ss/w:rd@tcp(h:1)/db", Address("native", "h", 1, "u", "p@ss/w:rd", "db")),
        ("u:p@tcp(h:1)/db?interpolateParams=true", Address("native", "h", 1, "u", "p", "db")),
        ("tcp(h)/db", Address("native", "h", 6030, database="db")),
        ("taos://user:pass@host:6031/db", Address("native", "host", 6031, "user", "pass", "db")),
        ("taos://host", Address("native", "host", 6030)),
        ("http://user:p%40ss%3A%2F@host:6042/db", Address("rest", "host", 6042, "user", "p@ss:/", "db")),
        ("https://user:pass@host/db/", Address("rest", "host", 6041, "user", "pass", "db", tls=True)),
        ("http://user:@host", Address("rest", "host", 6041, "user", "")),
        ("http://[::1]:6041/db", Address("rest", "::1", 6041, database="db")),
        ("  http://host  ", Address("rest", "host", 6041)),
    ],
)
def test_forms(uri: str, expected: Address) -> None:
    """Each form gives host, port, login and database; ports and login have TDengine's defaults."""
    assert parse(uri) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "host:6041",
        "root:Secret1/tcp(h:6030/db",
        "root:Secret1@tcp()/db",
        "root:Secret1@tcp(h:99999)/db",
        "root:Secret1@udp(h:1)/db",
        "http://user:Sec#Secret1@host/db",
        "http://user:Secret1/x@host/db",
        "http://user:Secret1@/db",
        "http://user:Secret1@host:0/db",
        "http://user:Secret1@host:Secret1/db",
        "ftp://user:Secret1@host/db",
        "http://user:Secret1@host/a.b",
        "http://user:Secret1@host/a%60b",
        f"http://user:Secret1@host/{'x' * 65}",
        "http://user:Secret1%00@host/db",
    ],
)
def test_mistakes_are_told_without_the_password(uri: str) -> None:
    """A ValueError says what is wrong, and never quotes what was given."""
    with pytest.raises(ValueError, match="TDengine address") as caught:
        parse(uri)
    assert "Secret1" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_neither_repr_nor_shown_holds_the_password() -> None:
    """Logs may show an address."""
    address = parse("http://user:Secret1@host:6041/db")
    assert "Secret1" not in repr(address) + address.shown
    assert address.shown == "http://user@host:6041/db"
    assert parse(address.shown) == Address("rest", "host", 6041, "user", database="db")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but ValueError comes out, whatever is written."""
    try:
        address = parse(text)
    except ValueError:
        return
    assert 0 < address.port < 65_536
    assert address.host

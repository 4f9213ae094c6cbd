"""Where an operators' listener may stand."""

import pytest

from taosink.observe.listen_rule import Address, check_listener, constant_time_equal, parse_address

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8081", Address("127.0.0.1", 8081)),
        (":8080", Address("", 8080)),
        ("[::]:8080", Address("::", 8080)),
        (" [0:0:0:0:0:0:0:1]:0 ", Address("::1", 0)),
        ("metrics.internal:65535", Address("metrics.internal", 65535)),
    ],
)
def test_addresses_are_read(text: str, expected: Address) -> None:
    """With a name, an address of either version, or none."""
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8080",
        "host",
        "host:",
        "::1:8080",
        "[::1]",
        "[::1:80",
        "[x]:80",
        "h:65536",
        "h:-1",
        "h:８",
        "a b:1",
        "http://h:80",
        "user@h:80",
    ],
)
def test_what_is_no_address_is_refused_with_examples(text: str) -> None:
    """A slip must not listen somewhere else."""
    with pytest.raises(ValueError, match=r"write for example"):
        parse_address(text)


@pytest.mark.parametrize("text", ["127.0.0.1:0", "127.8.9.1:80", "[::1]:80", "localhost:80", "LOCALHOST:80"])
def test_loopback_needs_no_token(text: str) -> None:
    """Nobody outside of the machine reaches it."""
    assert check_listener(text, "") is None


@pytest.mark.parametrize(
    "text", [":80", "0.0.0.0:80", "[::]:80", "10.0.0.1:80", "[::ffff:127.0.0.1]:80", "localhost.evil:80"]
)
def test_beyond_loopback_a_token_is_needed_that_is_no_guess(text: str) -> None:
    """An empty host is every interface; a name may be anybody's."""
    without, short = check_listener(text, ""), check_listener(text, TOKEN[1:])
    assert without is not None
    assert "no token" in without
    assert "127.0.0.1:80" in without
    assert short is not None
    assert "shorter" in short
    assert TOKEN[1:] not in short
    assert check_listener(text, TOKEN) is None


def test_a_wrong_address_is_a_problem_in_one_line() -> None:
    """It is not raised: the caller has one way to tell."""
    problem = check_listener("nonsense", TOKEN)
    assert problem is not None
    assert problem.startswith("'nonsense' is no address")
    assert "\n" not in problem


def test_secrets_are_compared_whole() -> None:
    """In any form that a header or a setting gives, and an empty one is never right."""
    assert constant_time_equal("sécret", "sécret".encode())
    assert not constant_time_equal("secret", "secre")
    assert not constant_time_equal("", "")
    assert not constant_time_equal(None, "secret")
    assert not constant_time_equal("\udcff", "secret")

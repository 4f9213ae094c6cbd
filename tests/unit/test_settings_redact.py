"""What counts as a secret, and how texts are freed of it."""

import pytest

from taosink.settings.hidden import secret_texts
from taosink.settings.redact import Redactor, uri_secrets


@pytest.mark.parametrize(
    ("uri", "secrets"),
    [
        ("root:pass1/tcp(h:6030)/db", ("pass1",)),
        ("root:p@ss1@tcp(h:6030)/db", ("p@ss1",)),
        ("root:pass1@/tcp(h:6030)/db", ("pass1",)),
        ("taos://root:pass1@h:6030/db", ("pass1",)),
        ("https://root:p%40ss@h/db", ("p%40ss", "p@ss")),
        ("http://h:6041/db?token=abcd1", ("abcd1",)),
        ("http://root:a@b@h:6041/db", ("a@b",)),
        ("http://h:6041/db", ()),
        ("tcp(h:6030)/db", ()),
        ("root:who-knows", ("root:who-knows",)),
        ("", ()),
    ],
)
def test_the_password_inside_an_address_is_found(uri: str, secrets: tuple[str, ...]) -> None:
    """In all its forms; an address that cannot be read is a secret as a whole."""
    assert uri_secrets(uri) == secrets


def test_the_published_password_is_no_secret() -> None:
    """It stands in the manual, and hiding the word would blank out names."""
    assert secret_texts("taosuri", "root:taosdata/tcp(h:6030)/db") == frozenset()


def test_secret_properties_are_found_in_their_text() -> None:
    """Whole where the value holds commas too."""
    assert "a,b" in secret_texts("kafka.properties", "sasl.password=a,b")
    assert secret_texts("kafka.properties", "client.id=edge,debug=all") == frozenset()


def test_secrets_are_replaced_in_every_form() -> None:
    """Percent-encoded, and escaped as a repr escapes them; the longest first."""
    hide = Redactor(["hunter22", "hunter22 and more", "it's"])
    assert hide("x hunter22 and more y") == "x *** y"
    assert hide("http://u:hunter22%20and%20more@h") == "http://u:***@h"
    assert "hunter22" not in repr(hide)


def test_very_short_secrets_do_not_blank_out_a_log() -> None:
    """A password of one letter is in every word."""
    assert Redactor(["a", ""])("banana") == "banana"

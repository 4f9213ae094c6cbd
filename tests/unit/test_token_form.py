"""Device tokens: made, checked, and refused."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taosink.ingress.auth.tokens import (
    Claims,
    KeyFileError,
    TokenError,
    check_token,
    make_token,
    parse_keys,
    read_token,
)

OLD, NEW = "o" * 32, "n" * 40
BOTH = parse_keys(f"# newest first\n\nnew: {NEW}\nold: {OLD}\n")
NEW_ONLY = parse_keys(f"new:{NEW}")
OLD_ONLY = parse_keys(f"old:{OLD}")
TOKEN = make_token(BOTH, "pump-1", 1000)


def refused(token: str, device: str = "pump-1", *, now: float = 0, keys: object = BOTH) -> TokenError:
    with pytest.raises(TokenError) as caught:
        check_token(keys, token, device, now=now, leeway=30)  # type: ignore[arg-type]  # one default for all
    return caught.value


def test_a_token_has_the_documented_form() -> None:
    """Byte for byte: other programs may make tokens too."""
    keys = parse_keys("k1: 00112233445566778899aabbccddeeff")
    assert make_token(keys, "pump-1", 1_800_000_000) == (
        "v1.eyJkIjoicHVtcC0xIiwiZSI6MTgwMDAwMDAwMCwiayI6ImsxIn0.IsEzpYpu0yMB_cbadOZOg3XjzgVFandFXBhgBSnl0RY"
    )


@given(st.text(min_size=1, max_size=40).filter(lambda t: t.isprintable()), st.integers(0, 2**53))
def test_what_was_put_in_comes_out(device: str, expires: int) -> None:
    """Whatever the device is called."""
    assert check_token(BOTH, make_token(BOTH, device, expires), device, now=expires - 1, leeway=0) == Claims(
        device, expires, "new"
    )


def test_keys_are_rotated_without_refusing_a_device() -> None:
    """The first key signs, all are taken, and one that was removed is not."""
    old = make_token(OLD_ONLY, "pump-1", 1000)
    assert check_token(BOTH, old, "pump-1", now=0, leeway=0).key == "old"
    assert check_token(BOTH, TOKEN, "pump-1", now=0, leeway=0).key == "new"
    assert refused(old, keys=NEW_ONLY).code == "unauthorized"


def test_a_token_ends_with_its_leeway() -> None:
    """The moment of its expiry plus the leeway is the first at which it is refused."""
    assert check_token(BOTH, TOKEN, "pump-1", now=1029.9, leeway=30).expires == 1000
    error = refused(TOKEN, now=1030)
    assert (error.code, error.text) == ("token_expired", "the token expired 30 s ago")


def test_another_devices_token_says_so() -> None:
    """Also once it has expired: the device is to be looked at, not its clock."""
    assert refused(TOKEN, "pump-2").code == "wrong_device"
    assert refused(TOKEN, "pump-2", now=9999).code == "wrong_device"


def test_the_token_names_the_device_where_nothing_else_does() -> None:
    """A bearer token over HTTP comes without a device id."""
    assert check_token(BOTH, TOKEN, "", now=0, leeway=0).device == "pump-1"


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="ascii"))
def test_no_character_of_a_token_can_be_changed(place: int, other: str) -> None:
    """The last one of the signature included, of which base64 ignores some bits."""
    changed = TOKEN[:place] + other + TOKEN[place + 1 :]
    if changed != TOKEN:
        assert refused(changed).code == "unauthorized"


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "v1..",
        "v1.e30.x",
        TOKEN + ".",
        "." + TOKEN,
        TOKEN.replace("v1", "v2"),
        "v1." + "A" * 5000,
        "pump-1:secret",
        "ü" * 40,
        "v1.\x00.\x00",
        "v1.bnVsbA.x",
        TOKEN + "\n",
        TOKEN.upper(),
        "\udcff" * 3,
    ],
)
def test_nonsense_is_unauthorized(token: str) -> None:
    """Never an exception of another kind."""
    assert refused(token).code == "unauthorized"


@pytest.mark.parametrize(
    "payload", [{"d": "pump-1", "e": 10**12}, {"d": 1, "e": 1, "k": "new"}, {"d": "p", "e": 1e9, "k": "gone"}]
)
def test_a_made_up_payload_is_unauthorized(payload: dict[str, object]) -> None:
    """Whatever key it claims."""
    text = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=").decode()
    assert refused(f"v1.{text}.{TOKEN.rpartition('.')[2]}").code == "unauthorized"


def test_a_token_can_be_read_whatever_its_end() -> None:
    """`--check` explains an expired one too."""
    assert read_token(BOTH, make_token(BOTH, "d", 1)).expires == 1


@pytest.mark.parametrize("device", ["", "a\nb", "a\x00", "\x1b[2J", "d" * 193, "ü" * 97, "\udcff"])
def test_what_is_no_device_gets_no_token(device: str) -> None:
    """A name that no subtable could have, or that writes to a terminal."""
    with pytest.raises(ValueError):  # noqa: PT011 -- a lone surrogate has the codec's own text
        make_token(BOTH, device, 1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no key"),
        ("# nothing\n", "no key"),
        (f"{NEW}", "line 1 is not"),
        (f"a b: {NEW}", "line 1 is not"),
        (f"\nnew: {NEW}\nnew: {OLD}", "line 3 gives key 'new' a second time"),
        ("new: secret-that-is-short", "shorter than 32"),
    ],
)
def test_a_broken_file_of_keys_is_told_by_its_line(text: str, told: str) -> None:
    """Without what stands in it."""
    with pytest.raises(KeyFileError, match=told) as caught:
        parse_keys(text)
    assert NEW not in str(caught.value)
    assert "that-is" not in str(caught.value)


def test_keys_are_not_shown() -> None:
    """A repr ends in logs."""
    assert NEW not in repr(BOTH)
    assert "nnn" not in repr(BOTH)

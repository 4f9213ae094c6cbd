"""Who may call the status listener, and with what."""

import base64

import pytest

from taosink.observe.status.guard import Guard

TOKEN = "a-token-of-sixteen-and-more"
BASIC = "Basic " + base64.b64encode(f"me:{TOKEN}".encode()).decode()
OPEN = Guard("", loopback=False)
LOCAL = Guard("", loopback=True)
GUARDED = Guard(TOKEN, loopback=False)
OWN = {"host": "127.0.0.1:9464"}


@pytest.mark.parametrize(
    ("guard", "path", "headers", "expected"),
    [
        *((OPEN, path, {}, None) for path in ("/livez", "/readyz", "/healthz", "/metrics")),
        (OPEN, "/status.json", OWN, 403),
        (OPEN, "/breakers/t/0/close", OWN, 403),
        (OPEN, "/no-such-page", OWN, 403),
        (LOCAL, "/status.json", OWN, None),
        (LOCAL, "/status.json", {"host": "localhost"}, None),
        (LOCAL, "/status.json", {"host": "[::1]:9464"}, None),
        (LOCAL, "/status.json", {"host": "rebound.example:9464"}, 403),
        (LOCAL, "/status.json", {}, 403),
        (LOCAL, "/breakers/t/0/close", OWN | {"origin": "http://127.0.0.1:9464"}, None),
        (LOCAL, "/breakers/t/0/close", OWN | {"origin": "http://elsewhere.example"}, 403),
        (LOCAL, "/breakers/t/0/close", OWN | {"origin": "null"}, 403),
        (GUARDED, "/status.json", {}, 401),
        (GUARDED, "/status.json", {"authorization": f"Bearer {TOKEN}"}, None),
        (GUARDED, "/status.json", {"authorization": f"bearer {TOKEN}x"}, 401),
        (GUARDED, "/status.json", {"authorization": BASIC}, None),
        (GUARDED, "/status.json", {"authorization": "Basic !!!"}, 401),
        (GUARDED, "/status.json", {"authorization": "Basic " + base64.b64encode(b"\xff").decode()}, 401),
        (GUARDED, "/status.json", {"authorization": TOKEN}, 401),
        (Guard(TOKEN, loopback=True), "/status.json", OWN, 401),
        (GUARDED, "/x", {"authorization": f"Bearer {TOKEN}", "host": "h", "origin": "http://other"}, 403),
    ],
)
def test_who_may_call_what(guard: Guard, path: str, headers: dict[str, str], expected: int | None) -> None:
    """Probes and metrics are for everybody; the rest needs this machine or the token."""
    refusal = guard.refuses(path, "POST" if path.startswith("/breakers") else "GET", headers)
    assert (refusal.status if refusal else None) == expected


def test_a_probes_path_is_open_for_reading_alone() -> None:
    """Nothing is changed by a call without a token, whatever its path."""
    assert OPEN.refuses("/metrics", "POST", {}) is not None


def test_its_repr_does_not_tell_the_token() -> None:
    """It stands in traces."""
    assert TOKEN not in repr(GUARDED)

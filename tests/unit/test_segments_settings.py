"""The settings of the segment calls and of `taosink segments`."""

import pytest
from structlog.testing import capture_logs

from taosink.config import load
from taosink.exits import Exit
from taosink.segments.app import run_segments
from taosink.settings.ingress import IngressSettings
from taosink.settings.problems import SettingsError
from taosink.settings.segments import LinkSettings, SegmentsSettings


def settings(**flags: str) -> SegmentsSettings:
    pairs = [(f"segments.{name.replace('_', '-')}", value) for name, value in flags.items()]
    return load(SegmentsSettings, pairs, environ={}).settings


def test_a_message_is_lost_a_second_after_the_scan_unless_told_otherwise() -> None:
    """N + 1 seconds of silence, where N is the time between looks."""
    assert settings().collect.silence == 3.0
    assert settings(scan="5s").collect.silence == 6.0
    assert settings(scan="5s", quiet="30s").collect.silence == 30.0


@pytest.mark.parametrize(
    "url",
    [
        "app",
        "ftp://app/receive",
        "http://",
        "http://app:0/",
        "http://app:x/",
        "http://u:pw@app/",
        "http://u@app/",
    ],
)
def test_an_address_that_cannot_be_posted_to_is_refused(url: str) -> None:
    """One with a password too: it would stand in logs."""
    with pytest.raises(SettingsError) as refused:
        settings(receive_url=url)
    assert "segments.receive-url" in str(refused.value)


@pytest.mark.parametrize("name", ["receive_url", "link_url"])
@pytest.mark.parametrize("scheme", ["http", "htp"])
def test_a_password_in_an_address_is_not_quoted_with_the_refusal(name: str, scheme: str) -> None:
    """Neither in the value nor in the fault; what else was written is."""
    model = SegmentsSettings if name == "receive_url" else IngressSettings
    flag = f"segments.{name.replace('_', '-')}"
    with pytest.raises(SettingsError) as refused:
        load(model, [(flag, f"{scheme}://carl:swordfish@app/in?token=sesame")], environ={})
    told = str(refused.value)
    assert "swordfish" not in told
    assert "sesame" not in told
    assert "carl" in told


@pytest.mark.parametrize("origin", ["a b", "a,b", "x\r\nset-cookie: y", "é"])
def test_an_origin_is_one_word(origin: str) -> None:
    """It stands in a header."""
    with pytest.raises(ValueError, match="is no origin"):
        LinkSettings(origin=origin)


def test_without_an_address_for_messages_nothing_starts() -> None:
    """Exit code 1, and what is missing by its name."""
    with capture_logs() as events:
        assert run_segments(settings()) is Exit.CONFIGURATION
    assert "segments.receive-url is needed" in repr(events)

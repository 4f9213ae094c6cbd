"""A consumer's page in a real Chromium: many partitions, a stopped one, and what somebody presses there."""

from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser
from support.browser import LOGIN, PHONE, TOKEN, Watched, chromium, watched
from support.kafka_data import produce
from support.plant import Plant, planted

from taosink.records.record import Record, encode_msgpack

START_NS = 1_735_689_600_000_000_000
WORDS = """async () => {
  const w = await import("/page/words.js");
  return [
    w.count(null), w.count(0), w.count(9999), w.count(12345), w.count(4560000), w.count(10000),
    w.rate(0.5), w.rate(3), w.rate(undefined), w.bytes(0), w.bytes(1024), w.bytes(268435456),
    w.seconds(0.0032), w.seconds(0.04), w.seconds(0.4), w.seconds(9), w.seconds(32.4), w.seconds(312),
    w.seconds(11040), w.seconds(183600), w.percent(0.001), w.percent(0), w.percent(0.5),
  ].map((text) => text.replaceAll("\\u00a0", " "));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Plant]:
    with planted(tmp_path, "fleet", 200) as found:
        yield found


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Plant]:
    with planted(tmp_path, "line", 1) as found:
        yield found


def test_two_hundred_partitions_stay_readable_behind_a_token(browser: Browser, fleet: Plant) -> None:
    """On a phone too; the browser's own login opens the page, its stream and its calls."""
    fleet.start_consumer(status__token=TOKEN)
    with pytest.raises(HTTPError, match="401"):
        urlopen(fleet.url, timeout=10)
    with watched(browser, fleet.url, viewport=PHONE, http_credentials=LOGIN) as view:
        view.open()
        view.until("document.querySelectorAll('#strip .cell').length === 200")
        assert view.page.locator("#partition-rows tr").count() == 24
        assert view.wider_than_its_window() == 0
        view.page.locator("#more").click()
        assert view.page.locator("#partition-rows tr").count() == 200
        assert view.wider_than_its_window() == 0
        view.page.locator("#more").click()
        assert view.page.locator("#partition-rows tr").count() == 24
        view.page.locator("#partitions-title").scroll_into_view_if_needed()
        view.picture("consumer-phone-200-partitions", whole=False)
        view.page.set_viewport_size({"width": 1280, "height": 900})
        view.picture("consumer-200-partitions")
        assert view.faults == []


def test_a_stopped_partition_is_closed_by_hand(browser: Browser, line: Plant) -> None:
    """It is named, with its way out: a button that asks first, and tells the answer."""
    good = [encode_msgpack(Record("d1", START_NS + n * 1_000_000, (1.5, n))) for n in range(5)]
    produce(line.kafka.bootstrap, line.topic, [*([b"no record"] * 60), *good], partition=0)
    process = line.start_consumer()
    process.event("breaker.open")
    with watched(browser, line.url) as view:
        view.open()
        view.until("document.getElementById('state').dataset.level === 'bad'")
        assert view.text("state-title") == "Every partition is stopped"
        button = view.page.locator("#stopped button")
        button.click()
        view.picture("consumer-stopped", whole=False)
        view.page.keyboard.press("Escape")
        assert "breaker.closed_by_operator" not in process.events
        button.click()
        view.page.locator("#ask-yes").click()
        view.until("document.getElementById('ask-text').textContent.startsWith('Closed')")
        process.event("breaker.closed_by_operator")
        view.page.locator("#ask-no").click()
        view.until("document.getElementById('state').dataset.level === 'good'")
        assert not view.page.locator("#stopped").is_visible()
        a_theme_is_kept(view)
        assert view.page.evaluate(WORDS) == [
            *("–", "0", "9,999", "12.3 k", "4.56 M", "10 k", "0.5", "3", "–"),
            *(
                "0 B",
                "1.0 KiB",
                "256 MiB",
                "3.2 ms",
                "40 ms",
                "0.4 s",
                "9 s",
                "32 s",
                "5 min 12 s",
                "3 h 4 min",
            ),
            *("2 d 3 h", "< 1 %", "0 %", "50 %"),
        ]
        assert view.faults == []


def a_theme_is_kept(view: Watched) -> None:
    """Over a reload; it wins over the system's."""
    ground = "getComputedStyle(document.body).backgroundColor"
    found = []
    for name in ("Light", "Dark"):
        view.page.locator("#theme").click()
        assert view.text("theme") == name
        found.append(view.page.evaluate(ground))
    assert found[0] != found[1]
    view.page.reload()
    assert view.text("theme") == "Dark"
    assert view.page.evaluate(ground) == found[1]
    view.page.locator("#theme").click()
    assert view.page.evaluate(ground) == found[0]

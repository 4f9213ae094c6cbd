"""A consumer's page in a real Chromium: what an operator sees while things go well, badly, and well again."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.browser import HOSTILE, PHONE, Watched, chromium, watched
from support.consumer_process import ConsumerProcess
from support.kafka_data import produce
from support.plant import Plant, planted

from taosink.records.record import Record, encode_msgpack

START_NS = 1_735_689_600_000_000_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    with planted(tmp_path, "readings", 12) as found:
        yield found


def test_an_operator_sees_it_run_stop_and_come_back(browser: Browser, plant: Plant) -> None:
    """Numbers and pictures move; the state names the database, what to do, and its return; a hostile record is text;
    light, dark and a phone; a process that was started anew is found again."""
    plant.start_producer(1500)
    process = plant.start_consumer()
    with (
        watched(browser, plant.url) as light,
        watched(browser, plant.url, color_scheme="dark") as dark,
        watched(browser, plant.url, viewport=PHONE, device_scale_factor=2) as phone,
    ):
        views = (light, dark, phone)
        for view in views:
            view.open()
        light.until("document.getElementById('stored-rate').textContent.replace(',', '') > 100")
        stored, line = (
            light.text("stored-total"),
            "document.querySelector('#throughput path.line.s0').getAttribute('d')",
        )
        drawn = light.page.evaluate(line)
        light.until("document.getElementById('stored-total').textContent !== argument", stored)
        light.until(f"{line} !== argument", drawn)
        assert light.text("state-title") == "Running"
        assert light.page.locator("#partition-rows tr").count() == 12
        assert light.text("member") in light.text("owner")

        bad = encode_msgpack(Record(HOSTILE, START_NS, (HOSTILE, "x", "y", 4)))
        produce(plant.kafka.bootstrap, plant.topic, [bad, b"<b>no record</b>"], partition=0)
        for view in views:
            view.until("document.getElementById('letters').innerText.includes(argument)", HOSTILE)
            assert view.page.locator("#letters img, #letters b, #errors img").count() == 0
        assert "bad value" in light.page.locator("#letter-reasons").inner_text()

        grounds = [view.page.evaluate("getComputedStyle(document.body).backgroundColor") for view in views]
        assert grounds[0] != grounds[1]
        assert grounds[0] == grounds[2]
        assert [view.wider_than_its_window() for view in views] == [0, 0, 0]
        light.enough_for_a_picture("#throughput path.line.s0")
        light.picture("live-page", whole=False)
        light.picture("consumer-light")
        dark.picture("consumer-dark", whole=False)
        phone.picture("consumer-phone", whole=False)
        keyboard(light)

        plant.stop_database()
        light.until("document.getElementById('state').dataset.level === 'wait'")
        assert light.text("state-title") == "Waiting for the database"
        assert "for" in light.text("state-since")
        assert "by itself" in light.text("state-action")
        assert "Waiting for the database" in light.page.locator("#spoken").inner_text()
        assert "Waiting for the database" in light.page.title()
        spoken, since = light.page.locator("#spoken").inner_text(), light.text("state-since")
        light.until("document.getElementById('state-since').textContent.trim() !== argument", since)
        assert light.page.locator("#spoken").inner_text() == spoken
        phone.until("document.getElementById('state').dataset.level === 'wait'")
        assert phone.wider_than_its_window() == 0
        light.page.evaluate("scrollTo(0, 0)")
        light.picture("consumer-database-down", whole=False)
        phone.picture("consumer-phone-database-down", whole=False)
        plant.start_database()
        light.until("document.getElementById('state-title').textContent === 'Running'")
        assert [view.faults for view in views] == [[], [], []]
        late_page_is_not_empty(browser, plant)
        a_restart_is_told(light, plant, process)


def keyboard(view: Watched) -> None:
    """Tab reaches what can be pressed, visibly; Enter presses it."""
    view.page.keyboard.press("Tab")
    reached = []
    for _ in range(9):
        reached.append(view.page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        view.page.keyboard.press("Tab")
    assert reached[:3] == ["A", "theme", "order"]
    assert "SUMMARY" in reached
    view.page.locator("summary").focus()
    outline = view.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    view.page.keyboard.press("Enter")
    assert "***" in view.page.locator("#settings").inner_text() or "taosuri" in view.text("settings")
    view.page.keyboard.press("Enter")


def late_page_is_not_empty(browser: Browser, plant: Plant) -> None:
    """What was there before it was opened is drawn: more than it can have seen itself."""
    drawn = "document.querySelector('#throughput path.line.s0').getAttribute('d').split('L').length"
    with watched(browser, plant.url) as late:
        late.open()
        late.until(f"{drawn} > performance.now() / 1000 + 4")
        assert late.faults == []


def a_restart_is_told(view: Watched, plant: Plant, process: ConsumerProcess) -> None:
    """The page waits for the process, and says that it is another one."""
    process.stop(signal.SIGKILL)
    view.until("document.getElementById('state').dataset.level === 'lost'")
    assert "does not answer" in view.text("state-title")
    view.picture("consumer-no-contact", whole=False)
    plant.start_consumer()
    view.until("document.getElementById('contact').dataset.state === 'live'")
    view.until("document.getElementById('notice').textContent.includes('started anew')")
    view.picture("consumer-started-anew", whole=False)
    # That a connection breaks is what happened; nothing else may have gone wrong.
    assert [fault for fault in view.faults if "net::ERR_" not in fault] == []

"""A gateway's page in a real Chromium."""

import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from support.browser import HOSTILE, LOGIN, PHONE, TOKEN, chromium, watched
from support.ingress_process import SocketDevice, ingress

from taosink.demo.cluster import GATEWAY_TOPICS
from taosink.embedded.librdkafka import MockCluster


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def kafka() -> Iterator[MockCluster]:
    """The embedded broker: what a page shows does not depend on the kind of it."""
    with MockCluster({"gateway": 1, **dict.fromkeys(GATEWAY_TOPICS, 1)}) as cluster:
        yield cluster


def test_the_gateways_page(browser: Browser, kafka: MockCluster) -> None:
    """Devices, frames and answers move; a hostile name is text; rejects have their reason; the end is told."""
    settings = {"kafka.brokers": kafka.bootstrap, "topic": "gateway", "ingress.admin-token": TOKEN}
    with ingress(settings) as process:
        host, number = process.address("admin")
        url = f"http://{host}:{number}"
        with (
            SocketDevice(process.address()) as device,
            watched(browser, url, http_credentials=LOGIN) as view,
            watched(browser, url, viewport=PHONE, color_scheme="dark", http_credentials=LOGIN) as phone,
        ):
            device.connect(HOSTILE)
            view.open()
            phone.open()
            for n in range(40):
                reading = {"Timestamp": f"2026-01-31T08:00:{n:02}Z", "Cols": [1.5, n]}
                assert device.ask("data", uid=n, ack="kafka", data=reading)["status"] == "ok"
            assert device.ask("data", uid="bad", data="<b>none</b>")["status"] != "ok"
            view.until("document.getElementById('devices-now').textContent === '1'")
            view.until("document.getElementById('readings-total').textContent.startsWith('40')")
            view.until(
                "/[0-9] ms|[0-9] s/.test(document.getElementById('acks').innerText.replaceAll('\\u00a0', ' '))"
            )
            view.until("document.getElementById('rejects').textContent === '1'")
            view.page.locator("#device-box summary").click()
            view.until("document.getElementById('devices').innerText.includes(argument)", HOSTILE)
            assert view.page.locator("#devices img").count() == 0
            assert view.text("state-title") == "Running"
            assert "1 device is connected" in view.text("state-detail")
            assert TOKEN not in view.page.content()
            view.picture("gateway-light")
            phone.picture("gateway-phone-dark")
            assert [one.wider_than_its_window() for one in (view, phone)] == [0, 0]
            assert view.faults == phone.faults == []
            process.process.send_signal(signal.SIGTERM)
            view.until("document.getElementById('state-title').textContent === 'The process has ended'")
        assert process.ended() == 0, process.last_words()

"""Every metric of the gateway has somebody who feeds it: one process that is through everything once."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import urllib3
from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families
from support.ingress_process import PATIENCE, IngressProcess, SocketDevice, ingress

from taosdevice.framing import Framing
from taosink.embedded.librdkafka import MockCluster
from taosink.observe.ingress_metrics import GAUGES, KINDS

READING = {"Timestamp": "2026-01-31T08:00:00.5Z", "Cols": [1.5, "on"]}
PREFIX = "taosink_ingress_"
SETTINGS = {
    "topic": "readings",
    "ingress.http-listen": "127.0.0.1:0",
    "ingress.max-connections-per-address": "4",
    "kafka.properties": "message.max.bytes=2000",
}


@pytest.fixture
def broker() -> Iterator[MockCluster]:
    with MockCluster({"readings": 2}) as found:
        yield found


class Page:
    """The metrics page, and calls of the two HTTP listeners."""

    def __init__(self, gateway: IngressProcess) -> None:
        self._bases = {name: "http://{}:{}".format(*gateway.address(name)) for name in ("http", "admin")}
        self._http = urllib3.PoolManager(retries=False, timeout=PATIENCE)

    def call(self, listener: str, method: str, path: str, body: object = None) -> int:
        data, headers = json.dumps(body).encode(), {"content-type": "application/json"}
        return self._http.request(method, self._bases[listener] + path, body=data, headers=headers).status

    def values(self) -> dict[str, float]:
        """Each metric's sum over its labels, and those of `limit` by their label."""
        text = self._http.request("GET", self._bases["admin"] + "/metrics").data.decode()
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                name = sample.name + sample.labels.get("limit", "")
                found[name] = found.get(name, 0.0) + sample.value
        return found

    def until(self, name: str) -> None:
        end = time.monotonic() + PATIENCE
        while not self.values().get(PREFIX + name):
            assert time.monotonic() < end, name
            time.sleep(0.05)

    def close(self) -> None:
        self._http.clear()


def through_everything(gateway: IngressProcess, broker: MockCluster, page: Page, stack: ExitStack) -> None:
    device = stack.enter_context(SocketDevice(gateway.address()))
    packed = stack.enter_context(SocketDevice(gateway.address(), Framing.MSGPACK))
    told = device.connect("pump-1")
    packed.connect("pump-2")
    assert device.ask("data", uid=1, data=READING)["status"] == "ok"
    too_large = {**READING, "Cols": ["x" * 3000]}
    assert device.ask("data", uid=2, data=too_large)["status"] == "rejected"
    device.send("open.valve", uid=3)
    assert device.ask("data", uid=4, data=[])["errorCode"] == "bad_message"
    device.send("data", uid=5, data=READING, ack="stored")

    assert page.call("http", "POST", "/records", {"DeviceID": "d", **READING}) == 202
    segment = {
        "segment_number": 1,
        "total_segments": 1,
        "username": "ann",
        "send_time": "t",
        "payload": "whole",
    }
    assert page.call("http", "POST", "/transfer", segment) == 200
    for listener in ("http", "tcp"):
        with SocketDevice(gateway.address(listener)) as stranger:
            stranger.socket.sendall(b"\xff\xff\xff\xff\r\n\r\n")
            while stranger.socket.recv(4096):
                pass
    crowd = [stack.enter_context(SocketDevice(gateway.address())) for _ in range(3)]
    assert crowd[-1].socket.recv(1) == b""
    assert page.call("admin", "POST", "/devices/pump-1/commands", {"data": {"n": 1}, "answer": True}) == 202
    assert device.hear()["action"] == "command"
    assert page.call("admin", "POST", "/devices/nobody/commands", {"data": {"n": 1}}) == 202

    elsewhere = {"serverId": "other", "clientId": "c", "at": time.time_ns() // 1_000_000}
    answer = {"serverId": told["serverId"], "clientId": told["clientId"]}
    stored = {"answers": [{"clientId": told["clientId"], "uid": 5, "status": "ok"}], **answer}
    worker = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    worker.produce("workers_layer_messages", json.dumps(stored).encode())
    worker.produce("taosink_presence", json.dumps(elsewhere).encode(), key=b"pump-2")
    assert worker.flush(10) == 0
    assert device.hear()["uid"] == 5
    assert packed.hear()["errorCode"] == "replaced"


def test_no_metric_is_without_a_feeder(broker: MockCluster) -> None:
    """Each counter has counted, each gauge and each bound is told, and nothing is counted that has no metric."""
    with ingress({"kafka.brokers": broker.bootstrap, **SETTINGS}) as gateway, ExitStack() as stack:
        page = Page(gateway)
        stack.callback(page.close)
        through_everything(gateway, broker, page, stack)
        for name in ("frames_total", "bytes_total"):
            page.until(name)  # once a tick

        found = page.values()

        assert [kind.name for kind in KINDS.values() if not found.get(PREFIX + kind.name)] == []
        assert [name for name, _ in GAUGES.values() if PREFIX + name not in found] == []
        assert found.get(PREFIX + "other_total", 0) == 0
        for name in ("connections", "sessions", "connections_json_lines", "presence_entries", "ready"):
            assert found[PREFIX + name] > 0, name
        assert found[PREFIX + "commands_queued"] == 1
        assert found[PREFIX + "commands_open"] == 2
        assert found[PREFIX + "http_connections"] >= 1
        for name in ("frame_bytes", "http_records_per_request", "http_connections", "commands"):
            assert found[f"{PREFIX}limit{name}"] > 0
        for ack in ("ack_seconds_count", "http_requests_total", "http_request_seconds_count"):
            assert found[PREFIX + ack] > 0

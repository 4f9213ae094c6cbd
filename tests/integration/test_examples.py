"""The examples, as their README says: broker, gateway, the application's worker, and devices."""

import json
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.gateway_process import GatewayProcess, gateway

from taosink.demo.child import Child

EXAMPLES = Path(__file__).parents[2] / "examples"
PATIENCE = 30.0
TOPICS = ("test:4", "tcp_layer_messages:4", "workers_layer_messages:4")


class Typed:
    """A device whose lines a person types."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, PATIENCE)
        self._lines = self._socket.makefile("rb")

    def type(self, line: str) -> None:
        self._socket.sendall(line.encode() + b"\n")

    def read(self) -> dict[str, Any]:
        """The next line that the gateway writes."""
        found: dict[str, Any] = json.loads(self._lines.readline())
        return found

    def until(self, action: str) -> dict[str, Any]:
        while (message := self.read())["action"] != action:
            pass
        return message

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


class Process(Child):
    """An example in a process of its own; its output is read line by line."""

    def line(self) -> str:
        assert self.process.stdout is not None
        found = self.process.stdout.readline()
        assert found, self.last_words()
        return found.strip()


def example(name: str, *arguments: str) -> Process:
    return Process(name, [sys.executable, str(EXAMPLES / name), *arguments])


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[GatewayProcess, Process]]:
    flags = [flag for topic in TOPICS for flag in ("--topic", topic)]
    broker = Child("broker", [sys.executable, "-m", "taosink_cli", "embedded", "broker", *flags])
    try:
        brokers = broker.first_line()
        with gateway({"kafka.brokers": brokers, "ingress.auth": "delegated"}) as found:
            found.event("ingress.listening")
            worker = example("application_worker.py", "--brokers", brokers, "--device", "pump-7:sesame")
            try:
                assert worker.line() == "ready"
                yield found, worker
            finally:
                assert worker.stop() == 0
    finally:
        broker.stop()


def typed_lines() -> list[str]:
    """What the README says to type."""
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    return [line for line in re.findall(r'^\{"action".*\}$', text, re.MULTILINE) if ".response" not in line]


def test_a_session_goes_as_the_readme_shows(running: tuple[GatewayProcess, Process]) -> None:
    """The delegated connect, the worker's answers, its command on connecting, and the events that it hears."""
    found, worker = running
    connect, *asks, _command, _result = typed_lines()
    device = Typed(found.tcp)
    try:
        device.type(connect)
        assert device.until("connect.response")["status"] == "ok"
        command = device.until("command")
        assert command["data"] == {"name": "report", "reportingIntervalSeconds": 30, "unit": "celsius"}
        assert command["answer"] is True
        answers = []
        for ask in asks:
            device.type(ask)
            answers.append(device.read())
        assert [(a["uid"], a["status"]) for a in answers] == [(2, "ok"), (3, "ok"), (4, "error")]
        assert answers[0]["data"] == {"reportingIntervalSeconds": 30, "unit": "celsius"}
        assert answers[1]["data"] == {"unit": "celsius"}
        assert answers[2]["errorCode"] == "unknown_action"
        device.type(json.dumps({"action": "command.result", "uid": command["uid"], "status": "ok"}))
        device.type('{"action":"ping"}')
        assert device.until("pong")
    finally:
        device.close()
    assert worker.line() == "connect pump-7"
    assert worker.line().startswith("disconnect pump-7")


@pytest.mark.parametrize("connect", [{"token": "guessed"}, {}, {"deviceUid": "pump-8", "token": "sesame"}])
def test_a_device_that_the_worker_does_not_know_is_refused(
    running: tuple[GatewayProcess, Process], connect: dict[str, str]
) -> None:
    """By the worker's own words, and the connection ends."""
    device = Typed(running[0].tcp)
    try:
        device.type(json.dumps({"action": "connect", "deviceUid": "pump-7", "uid": 1} | connect))
        answer = device.read()
        assert (answer["status"], answer["errorCode"]) == ("error", "unauthorized")
        assert answer["errorMessage"] == "this device is not known here"
        assert device.read()["action"] == "close"
    finally:
        device.close()


def test_the_device_in_python_sends_asks_and_obeys(running: tuple[GatewayProcess, Process]) -> None:
    """Its settings, its readings acknowledged, and the command that it gets on connecting."""
    host, number = running[0].tcp
    device = example(
        "device.py",
        *("--gateway", f"tcp://{host}:{number}", "--token", "sesame"),
        *("--settings", "--readings", "1000", "--interval", "0.05"),
    )
    try:
        seen: list[str] = []
        while not (any(s.startswith("command:") for s in seen) and any(s.endswith(" ok") for s in seen)):
            seen.append(device.line())
            assert len(seen) < 500, seen
        assert any(s.startswith("settings: {'reportingIntervalSeconds': 30") for s in seen)
    finally:
        device.stop()

"""An application's own worker: it answers what devices ask, decides who may connect, and gives commands.

The gateway puts every request that it does not know itself on one topic, its key the device's id, as
    {"deviceRequest": {"action", "deviceUid", "uid", "data"}, "serverId", "clientId"}
and connects and disconnects as the same with "event": true. What a worker puts on the response topic reaches the
device, wherever it is connected:
    {"deviceResponse": {"action", "uid", "data", "status"}, "serverId", "clientId"}
    {"command": {"data", "answer", "ttlMs"}, "deviceUid"}
It needs confluent-kafka alone. Start as many as you like: they share the work, each device's requests in order.
"""
# ruff: noqa: T201 -- a program for a terminal

import argparse
import json
import signal
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, Producer

SETTINGS = {"reportingIntervalSeconds": 30, "unit": "celsius"}


def settings_get(data: Any) -> dict[str, Any]:
    """All settings, or the one that is named."""
    name = data.get("name") if isinstance(data, dict) else None
    if name is None:
        return {"status": "ok", "data": SETTINGS}
    if name not in SETTINGS:
        return refusal("unknown_setting", f"there is no setting {name!r}")
    return {"status": "ok", "data": {name: SETTINGS[name]}}


def refusal(code: str, text: str) -> dict[str, Any]:
    return {"status": "error", "errorCode": code, "errorMessage": text}


ACTIONS = {"settings.get": settings_get}


class Worker:
    """`secrets` are the devices that may connect, where the gateway leaves that to us (ingress.auth=delegated)."""

    def __init__(self, producer: Producer, topic: str, secrets: dict[str, str]) -> None:
        self.producer, self.topic, self.secrets = producer, topic, secrets

    def handle(self, message: Message) -> None:
        try:
            device = (message.key() or b"").decode()
            envelope = json.loads(message.value() or b"")
            request = envelope["deviceRequest"]
            action, data = request["action"], request.get("data")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            print("passed over what is no request:", repr(error), flush=True)
            return
        if envelope.get("event"):
            self.event(action, device, data)
        elif action == "connect":
            self.answer(envelope, request, self.decide(device, data))
        elif action in ACTIONS:
            self.answer(envelope, request, ACTIONS[action](data))
        else:
            self.answer(envelope, request, refusal("unknown_action", f"nobody here knows {action!r}"))

    def decide(self, device: str, data: dict[str, Any]) -> dict[str, Any]:
        if device in self.secrets and self.secrets[device] == data.get("token"):
            return {"status": "ok"}
        return refusal("unauthorized", "this device is not known here")

    def event(self, action: str, device: str, data: Any) -> None:
        print(action, device, data or "", flush=True)
        if action == "connect":
            # Should the device be gone again, the command waits for it for a minute.
            command = {"data": {"name": "report", **SETTINGS}, "answer": True, "ttlMs": 60_000}
            self.put(device, {"command": command, "deviceUid": device})

    def answer(self, envelope: dict[str, Any], request: dict[str, Any], outcome: dict[str, Any]) -> None:
        """To the connection that asked: its ids go back as they came."""
        response = {"action": f"{request['action']}.response", **outcome}
        if "uid" in request:
            response["uid"] = request["uid"]
        ids = {key: envelope[key] for key in ("serverId", "clientId")}
        self.put(ids["serverId"], {"deviceResponse": response, **ids})

    def put(self, key: str, message: dict[str, Any]) -> None:
        self.producer.produce(self.topic, json.dumps(message), key=key)


def run(options: argparse.Namespace) -> None:
    producer = Producer({"bootstrap.servers": options.brokers})
    worker = Worker(producer, options.responses, dict(pair.split(":", 1) for pair in options.device))
    consumer = Consumer(
        {
            "bootstrap.servers": options.brokers,
            "group.id": options.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda which, _frame: stop.append(which))
    consumer.subscribe([options.requests], on_assign=lambda *_: print("ready", flush=True))
    try:
        while not stop:
            messages = consumer.consume(100, timeout=0.1)
            for message in messages:
                if message.error():
                    print("kafka:", message.error(), flush=True)
                else:
                    worker.handle(message)
            # In this order: what a worker had not answered when it died is answered by another one.
            if messages and producer.flush(30) == 0:
                try:
                    consumer.commit(asynchronous=False)
                except KafkaException as error:
                    print("not committed; it may be answered twice:", error, flush=True)
    finally:
        consumer.close()


if __name__ == "__main__":
    flags = argparse.ArgumentParser(description="An application's worker behind taosink ingress.")
    flags.add_argument("--brokers", default="localhost:9092")
    flags.add_argument("--requests", default="tcp_layer_messages", help="topic to read")
    flags.add_argument("--responses", default="workers_layer_messages", help="topic to answer on")
    flags.add_argument("--group", default="example-workers")
    flags.add_argument("--device", action="append", default=[], help="DEVICE:SECRET that may connect")
    run(flags.parse_args())

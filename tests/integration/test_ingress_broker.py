"""Gateways on one real Kafka: they agree on presence and commands, and hear their workers."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import ConfigResource  # type: ignore[attr-defined] # re-exported there
from support.chaos.servers import operated_kafka
from support.ingress_rig import QUICK, GatewayRig, until
from support.kafka_broker import KafkaUnderTest, admin
from support.letters import messages_of

from taosbatch.fnv import partition
from taosink.ingress.broker.options import BrokerOptions
from taosink.ingress.http.desk import NewCommand
from taosink.ingress.ports import Reply, WorkerAnswer


class Topics:
    """Names of this test alone."""

    def __init__(self, bootstrap: str) -> None:
        run = uuid.uuid4().hex[:8]
        self.names: dict[str, Any] = {
            name: f"{name}-{run}" for name in ("readings", "requests", "presence", "commands")
        }
        self.responses = f"responses-{run}"
        self.bootstrap = bootstrap

    def options(self, server: str, **changes: Any) -> BrokerOptions:
        return BrokerOptions(
            {"bootstrap.servers": self.bootstrap, "log_level": 0},
            server,
            responses=(self.responses,),
            readings_partitions=3,
            other_partitions=2,
            timings=QUICK,
            **{**self.names, **changes},
        )

    @asynccontextmanager
    async def gateway(self, server: str, **changes: Any) -> AsyncIterator[GatewayRig]:
        rig = GatewayRig(self.options(server, **changes))
        try:
            async with asyncio.timeout(40):
                await rig.broker.start()
            yield rig
        finally:
            await rig.broker.stop(2.0)

    def respond(self, *messages: object) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap, "log_level": 0})
        for message in messages:
            producer.produce(self.responses, json.dumps(message).encode(), key=b"k")
        assert producer.flush(20) == 0


def test_topics_are_made_compacted_and_readings_are_plain_records(real_kafka: KafkaUnderTest) -> None:
    """Key and partition by the device; headers only where an answer is owed."""
    topics = Topics(real_kafka.bootstrap)
    done: list[dict[int, str]] = []

    async def run() -> None:
        async with topics.gateway("s1") as a:
            assert a.broker.publishing.readings("dev-1", [b"r1", b"r2"], lambda f: done.append(dict(f)))
            reply = Reply("c1", "ü7", indexed=True)
            assert a.broker.publishing.readings(
                "dev-2", [b"r3", b"r4"], lambda f: done.append(dict(f)), reply
            )
            assert a.broker.publishing.request(b"{}", b"dev-1", lambda f: done.append(dict(f)))
            await until(lambda: len(done) == 3)
            assert a.broker.publishing.waiting == 0 or await a.broker.flush(5) == 0
            assert not a.broker.reasons()

    asyncio.run(run())
    assert done == [{}, {}, {}]
    found = {m.value(): m for m in messages_of(real_kafka.bootstrap, topics.names["readings"])}
    assert found[b"r1"].key() == b"dev-1"
    assert found[b"r1"].partition() == partition("dev-1", 3)
    assert not found[b"r1"].headers()
    assert dict(found[b"r4"].headers() or ()) == {
        "taosink.reply.server": b"s1",
        "taosink.reply.client": b"c1",
        "taosink.reply.uid": '"ü7"'.encode(),
        "taosink.reply.ack": b"stored",
        "taosink.reply.index": b"1",
    }
    for name in ("presence", "commands"):
        resource = ConfigResource(ConfigResource.Type.TOPIC, topics.names[name])
        client = admin(real_kafka.bootstrap)
        config = client.describe_configs([resource])[resource].result(20)
        assert config["cleanup.policy"].value == "compact"


def test_two_gateways_agree_on_the_newer_connection(real_kafka: KafkaUnderTest) -> None:
    """The older one is told; a killed gateway's devices become absent; a stopped one's at once."""
    topics = Topics(real_kafka.bootstrap)

    async def run() -> None:
        async with topics.gateway("s1") as a, topics.gateway("s2", url="http://s2") as b:
            a.connect("d", "a1")
            a.connect("e", "a2")
            await until(lambda: b.broker.holders.holder("d"))
            b.connect("d", "b1")
            await until(lambda: a.sockets.lost == [("d", "a1")])
            found = a.broker.holders.holder("d")
            assert found is not None
            assert (found.server, found.client, found.url) == ("s2", "b1", "http://s2")
            assert [h.device for h in b.broker.holders.holders("", 10)] == ["d", "e"]
            assert [h.device for h in b.broker.holders.holders("d", 10)] == ["e"]
            b.disconnect("d")
            await until(lambda: a.broker.holders.holder("d") is None)
            a.kill()
            await until(lambda: b.broker.holders.holder("e") is None)
            async with topics.gateway("s3") as c:
                c.connect("f", "c1")
                await until(lambda: b.broker.holders.holder("f"))
            await until(lambda: b.broker.holders.holder("f") is None, 1.0)

    asyncio.run(run())


def test_a_command_reaches_the_device_wherever_it_is(real_kafka: KafkaUnderTest) -> None:
    """Put at one gateway, delivered by the other, answered there, and known to both, and to a third."""
    topics = Topics(real_kafka.bootstrap)

    async def run() -> None:
        async with topics.gateway("s1") as a, topics.gateway("s2") as b:
            waiting = await a.broker.desk.put(NewCommand({"n": 1}, device="d", answer=True, id="first"))
            assert waiting["state"] == "queued"
            assert (a.broker.desk.view("first") or {})["state"] == "queued"
            await a.broker.desk.put(NewCommand({"n": 2}, device="d", id="second"))
            await a.broker.desk.put(NewCommand({"n": 3}, device="d", ttl_ms=1, id="late", answer=True))
            await until(lambda: len(b.broker.desk.views_of("d")) == 3)
            await until(lambda: (b.broker.desk.view("late") or {})["state"] == "expired")
            b.connect("d", "b1")
            assert [command for _, command, _ in b.sockets.commands] == ["first", "second"]
            assert b.broker.commands.result("d", "first", {"done": True}, "ok")
            assert not b.broker.commands.result("other", "first", {}, "ok")
            await until(lambda: (a.broker.desk.view("first") or {})["state"] == "answered")
            await until(lambda: (a.broker.desk.view("second") or {})["state"] == "delivered")
            async with topics.gateway("s3") as c:
                view = c.broker.desk.view("first") or {}
                assert view["result"] == {"status": "ok", "data": {"done": True}}
                assert (c.broker.desk.view("late") or {})["reason"] == "not_delivered"
            online = await a.broker.desk.put(NewCommand("x", client="b1"))
            await until(lambda: ("d", online["id"], "b1") in b.sockets.commands)
            nobody = await a.broker.desk.put(NewCommand("x", client="nobody"))
            assert nobody["state"] in {"queued", "expired"}
            await until(lambda: (b.broker.desk.view(nobody["id"]) or {}).get("state") == "expired")

    asyncio.run(run())


def test_workers_answers_reach_their_gateway_alone(real_kafka: KafkaUnderTest) -> None:
    """Both forms of stored answers, an application's responses, and a command; strangers' are counted."""
    topics = Topics(real_kafka.bootstrap)

    async def run() -> None:
        async with topics.gateway("s1") as a, topics.gateway("s2") as b:
            b.connect("d", "b1")
            topics.respond(
                {"serverId": "s1", "answers": [{"clientId": "c", "uid": 1, "index": 2, "status": "ok"}]},
                {
                    "serverId": "s1",
                    "clientId": "c",
                    "deviceResponse": {"action": "stored", "uid": "u", "status": "ok"},
                },
                {"deviceUid": "d", "deviceResponse": {"action": "x.response"}},
                {"deviceUid": "d", "command": {"data": 5}},
                ["no such thing"],
            )
            await until(lambda: len(a.sockets.answers) == 2)
            assert a.sockets.answers == [WorkerAnswer("c", 1, "ok", 2), WorkerAnswer("c", "u", "ok")]
            await until(lambda: b.sockets.commands)
            assert b.sockets.responses == [(None, "d", {"action": "x.response"})]
            assert not b.sockets.answers
            await until(lambda: b.sockets.counts.get(("event", "answer_broken")) == 1)
            assert b.sockets.counts["event", "answer_foreign"] == 2
            await until(lambda: [v["state"] for v in a.broker.desk.views_of("d")] == ["delivered"])
            await asyncio.sleep(0)
            assert len(b.sockets.commands) == 1

    asyncio.run(run())


def test_everything_goes_on_after_the_broker_was_away(tmp_path: Path) -> None:
    """A claim and a command of the outage arrive behind it, and nothing has to be started anew."""
    with operated_kafka(tmp_path / "kafka") as operator:
        topics = Topics(operator.kafka.bootstrap)

        async def run() -> None:
            async with topics.gateway("s1") as a, topics.gateway("s2", delivery_timeout=1.0) as b:
                a.connect("d", "a1")
                await until(lambda: b.broker.holders.holder("d"))
                operator.begin("kill_broker")
                await asyncio.to_thread(operator.wait)
                await until(lambda: a.broker.reasons() and b.broker.reasons())
                failed: list[dict[int, str]] = []
                assert b.broker.publishing.readings("d", [b"1", b"2"], lambda f: failed.append(dict(f)))
                b.connect("d", "b1")
                await until(lambda: failed)
                assert failed == [{0: "_MSG_TIMED_OUT", 1: "_MSG_TIMED_OUT"}]
                operator.end()
                await asyncio.to_thread(operator.wait)
                await until(lambda: a.sockets.lost == [("d", "a1")], 40)
                await a.broker.desk.put(NewCommand("x", device="d", id="behind"))
                await until(lambda: ("d", "behind", "b1") in b.sockets.commands)
                await until(lambda: not a.broker.reasons() and not b.broker.reasons())
                done: list[object] = []
                assert b.broker.publishing.readings("d", [b"3"], done.append)
                await until(lambda: done == [{}])

        asyncio.run(run())

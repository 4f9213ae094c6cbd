"""What one look at a consumer finds, and what the document says of it."""

import msgspec
import pytest
import structlog
from pydantic import SecretStr
from support.status_rig import A, B, StatusRig

from taosink.config import ConsumerSettings
from taosink.kafka.errors import FaultKind, SourceFault
from taosink.kafka.source import Ends, View
from taosink.observe import logs
from taosink.observe.status.document import document, headline_document
from taosink.settings.connection import KafkaSettings, TaosSettings
from taosink.settings.consumer import GroupSettings
from taosink.settings.kinds import Properties
from taosink.settings.status import StatusSettings
from taosink.status import shown
from taosink.taos.errors import TaosError


def codes(rig: StatusRig) -> list[str]:
    return [reason.code for reason in rig.looker.tick().health.healthy]


def test_a_working_consumer_is_well() -> None:
    """Nothing to do is no fault."""
    rig = StatusRig()
    look = rig.looker.tick()
    assert look.health.healthy == ()
    assert [p.state for p in look.partitions] == ["reading", "reading"]
    assert look.lag_seconds == 0.0


def test_an_outage_of_the_database_reddens_ready_and_never_live() -> None:
    """It names the number; and the poll and the workers still beat."""
    rig = StatusRig()
    rig.waits.waiting(TaosError(0x0020, "cannot connect", "http://db:6041"), 10, 1.0)
    rig.pass_time(500.0)
    look = rig.looker.tick()
    assert [r.code for r in look.health.ready] == ["database"]
    assert look.health.live == ()
    assert "0x0020" in look.health.ready[0].message
    rig.waits.wrote()
    assert codes(rig) == []


def test_lag_without_a_stored_record_is_told_after_its_time() -> None:
    """And it ends with the first stored one."""
    rig = StatusRig(no_progress=60.0)
    chunk = rig.deliver(A, b"1", b"2", stamp=rig.now)
    rig.source.lag = {A: 2, B: 0}
    assert codes(rig) == []
    rig.pass_time(61.0)
    assert codes(rig) == ["no_progress"]
    rig.counters.stored(1)
    chunk.ticket.done(1)
    rig.pass_time(1.0)
    assert codes(rig) == ["partition_still"]  # its prefix has not moved
    chunk.ticket.done(1)
    assert codes(rig) == []


def test_the_oldest_record_that_is_not_stored_tells_the_lag_in_seconds() -> None:
    """By the chunk that holds up the prefix, whatever ended behind it."""
    rig = StatusRig()
    first = rig.deliver(A, b"1", stamp=900.0)
    second = rig.deliver(A, b"2", stamp=950.0)
    second.ticket.done()
    rig.source.lag = {A: 2, B: 0}
    assert rig.looker.tick().lag_seconds == 100.0
    first.ticket.done()
    rig.source.lag = {A: 0, B: 0}
    assert rig.looker.tick().lag_seconds == 0.0


def test_a_pending_record_without_a_confirmed_commit_is_a_lost_lease() -> None:
    """Counted from when there was something to prove; with nothing pending no commit is due at all."""
    rig = StatusRig()
    rig.source.member, rig.source.confirmed = False, float("-inf")
    rig.pass_time(100.0)
    assert codes(rig) == []
    rig.deliver(A, b"1")
    rig.pass_time(11.0)
    assert codes(rig) == []
    rig.pass_time(1.0)
    assert codes(rig) == ["lease"]


def test_a_hanging_poll_is_dead_and_a_call_into_the_database_is_not() -> None:
    """Each loop has its own limit."""
    rig = StatusRig()
    rig.pool._busy_since[0] = rig.now
    rig.meters._calls["worker-0"] = float("inf")
    rig.pass_time(10_000.0)
    assert codes(rig) == []
    rig.meters._calls["worker-0"] = rig.now - 10_000
    assert codes(rig) == ["wedged_worker"]
    rig.pool._busy_since[0] = None
    rig.source.beat = rig.now - 76
    assert codes(rig) == ["wedged_poll"]


def test_the_states_of_partitions() -> None:
    """Blocked before stopped before waiting before paused."""
    rig = StatusRig()
    rig.stop_by_poison(rig.deliver(A, b"1"))
    rig.source.view = View(frozenset({A, B}), paused=frozenset({A, B}))
    look = rig.looker.tick()
    assert {p.lane: p.state for p in look.partitions} == {A: "stopped", B: "paused"}
    rig.tracker.end([A])
    rig.tracker.assign([A])
    assert {p.lane: p.state for p in rig.looker.tick().partitions} == {A: "paused", B: "paused"}


def test_brokers_down_say_what_to_do() -> None:
    """The fault's own hint."""
    rig = StatusRig()
    rig.source.fault = SourceFault("brokers_down", -187, "all brokers are down")
    assert "check kafka.brokers" in rig.looker.tick().health.ready[0].message


def test_the_document_is_json_and_holds_the_last_errors() -> None:
    """Warnings and errors of the log, newest first, as free of secrets as the log is."""
    rig = StatusRig(settings={"topic": ["t"]})
    before = structlog.get_config()
    try:
        logs.configure(form="json", hide=lambda text: text.replace("hunter22", "***"))
        structlog.get_logger().warning("kafka.brokers_down", detail="no hunter22")
        structlog.get_logger().info("not.an_error")
    finally:
        structlog.configure(**before)
    rig.seen.add("bad_value", "t/0 offset 7: too long")
    said = msgspec.json.decode(msgspec.json.encode(document(rig.looker.tick(), rig.parts, rig.facts)))
    assert said["errors"][0]["text"] == "kafka.brokers_down detail=no ***"
    assert said["last_dead_letters"][0]["kind"] == "bad_value"
    assert said["partitions"][0]["owner"] == "taosink-test"
    assert said["settings"] == {"topic": ["t"]}
    assert said["memory"]["resident"] > 0


def test_settings_are_shown_without_secrets() -> None:
    """Not in their own place, not in an address, not among properties."""
    secret = "hunter22secretlong"
    settings = ConsumerSettings(
        group=GroupSettings(topic=("t",)),
        kafka=KafkaSettings(
            password=SecretStr(secret), properties=Properties({"sasl.password": secret, "client.rack": "r"})
        ),
        taos=TaosSettings(uri=SecretStr(f"http://root:{secret}@db:6041/x")),
        status=StatusSettings(token=SecretStr(secret)),
    )
    found = shown(settings)
    assert secret not in repr(found)
    assert found["status.token"] == found["kafka.password"] == "***"
    assert found["taosuri"] == "http://root@db:6041/x"
    assert found["kafka.properties"] == {"sasl.password": "***", "client.rack": "r"}
    assert found["taos.token"] == ""
    assert found["status.listen"] == "127.0.0.1:0"


@pytest.mark.parametrize("kind", ["brokers_down", "authentication"])
def test_the_page_says_since_when_kafka_is_waited_for(kind: FaultKind) -> None:
    """From the look that saw it first; and whether somebody has to act."""
    rig = StatusRig()
    rig.source.fault = SourceFault(kind, -1, "why")
    rig.looker.tick()
    rig.pass_time(40.0)
    first = headline_document(rig.looker.tick())
    assert (first["code"], first["since"]) == ("kafka", 40.0)
    assert first["level"] == ("wait" if kind == "brokers_down" else "bad")
    rig.source.fault = None
    rig.looker.tick()
    rig.pass_time(5.0)
    rig.source.fault = SourceFault(kind, -1, "again")
    assert headline_document(rig.looker.tick())["since"] == 0.0


def test_lag_is_not_known_while_it_waits_for_its_partitions() -> None:
    """Nothing waits where nothing is its own; where nobody has said yet what is, that is no zero."""
    rig = StatusRig()
    rig.source.view = View(frozenset())
    look = rig.looker.tick()
    assert (look.lag, look.lag_seconds) == (0, 0.0)
    rig.source.assigned = rig.source.answered = False
    look = rig.looker.tick()
    assert (look.lag, look.lag_seconds) == (None, None)
    rig.source.fault = SourceFault("brokers_down", -187, "all brokers are down")
    look = rig.looker.tick()
    assert (look.lag, look.lag_seconds) == (None, None)


def test_what_is_in_work_is_part_of_the_lag() -> None:
    """The brokers' word on the end is a second old, and records are delivered meanwhile; unknown stays unknown."""
    rig = StatusRig()
    rig.deliver(A, b"1", b"2", stamp=rig.now)
    rig.source.lag = {A: 0, B: 0}
    assert [p.lag for p in rig.looker.tick().partitions] == [2, 0]
    rig.source.lag = {A: 5}
    assert [p.lag for p in rig.looker.tick().partitions] == [5, None]


def test_what_was_stored_since_the_brokers_were_asked_is_nothing_that_arrived() -> None:
    """A large commit between two looks at the ends would else draw a burst that never was."""
    rig = StatusRig()
    chunk = rig.deliver(A, *(b"r" for _ in range(1000)), stamp=rig.now)
    rig.source.lag, rig.source.ends = {A: 1000, B: 0}, Ends(1.0, {A: 1000, B: 0})
    rig.looker.tick()
    rig.pass_time(1.0)
    chunk.ticket.done(1000)
    rig.source.lag, rig.source.ends = {A: 0, B: 0}, Ends(2.0, {A: 1000, B: 0})
    assert rig.looker.tick().speed.arriving == 0.0

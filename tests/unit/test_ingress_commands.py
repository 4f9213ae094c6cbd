"""Gateways that read one commands topic agree on every command, and none leaves its final state."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from taosink.ingress.broker.commands import CommandRecord, Commands, State, encode

HOUR_MS = 3_600_000


def queued(
    name: str = "c", device: str = "d", *, answer: bool = True, at: int = 0, ttl: int = 1000
) -> CommandRecord:
    return CommandRecord(name, device, "queued", at, ttl, at, {"do": name}, answer=answer)


def apply(state: Commands, record: CommandRecord) -> str:
    return state.apply(record.id, encode(record)).meaning


def test_the_first_final_state_is_kept() -> None:
    """What comes behind it is ignored, and said to be, so that somebody says the state again."""
    state = Commands()
    first = queued()
    assert apply(state, first) == "new"
    assert apply(state, first) == "same"
    assert apply(state, first.moved("delivered", 1)) == "moved"
    assert apply(state, first) == "ignored"
    answered = first.moved("answered", 2, result={"status": "ok"})
    assert apply(state, answered) == "moved"
    assert apply(state, first.moved("expired", 3, reason="not_answered")) == "ignored"
    assert apply(state, answered) == "same"
    kept = state.get("c")
    assert kept is not None
    assert (kept.state, kept.result, kept.data) == ("answered", {"status": "ok"}, None)


def test_who_began_to_read_in_the_middle_is_corrected() -> None:
    """Compaction had left a late record alone; whoever knows the command from its beginning keeps to what it saw."""
    expired = queued().moved("expired", 5, reason="not_answered")
    answered = queued().moved("answered", 3, result=1)
    late, full = Commands(), Commands()
    full.live = True
    for state, records in ((late, [expired]), (full, [queued(), answered, expired])):
        for record in records:
            apply(state, record)
    assert apply(late, answered) == "ignored"
    assert apply(late, answered.as_settled()) == "moved"
    assert apply(full, expired.as_settled()) == "ignored"
    views = [(found.state, found.result) for state in (late, full) if (found := state.get("c"))]
    assert views == [("answered", 1)] * 2


def test_delivered_is_final_where_no_answer_is_asked() -> None:
    """It cannot expire any more."""
    state = Commands()
    apply(state, queued(answer=False))
    assert apply(state, queued(answer=False).moved("delivered", 1)) == "moved"
    assert apply(state, queued(answer=False).moved("expired", 2)) == "ignored"
    assert not state.open("d")


def test_a_devices_commands_are_delivered_in_topic_order() -> None:
    """Also again after a reconnect, where an answer is asked for and has not come."""
    state = Commands()
    for name in "zab":
        apply(state, queued(name, answer=name != "a"))
    apply(state, queued("other", "e"))
    assert [c.id for c in state.open("d")] == ["z", "a", "b"]
    apply(state, queued("z").moved("delivered", 1))
    apply(state, queued("a", answer=False).moved("delivered", 1))
    assert [c.id for c in state.open("d")] == ["z", "b"]
    assert [c.id for c in state.of_device("d")] == ["z", "a", "b"]


def test_what_is_over_comes_due_once() -> None:
    """Open commands at the end of their time to live, final ones an hour after they ended."""
    state = Commands(kept_ms=HOUR_MS)
    apply(state, queued("a", ttl=100))
    apply(state, queued("b", ttl=200))
    apply(state, queued("a", ttl=100).moved("answered", 50))
    assert list(state.due(99)) == []
    assert [c.id for c in state.due(250)] == ["b"]
    assert list(state.due(250)) == []
    state.again(queued("b"), 260)
    assert [c.id for c in state.due(260)] == ["b"]
    assert [c.id for c in state.due(HOUR_MS + 50)] == ["a"]
    assert state.apply("a", None).meaning == "deleted"
    assert state.apply("a", None).meaning == "unknown"
    assert len(state) == 1


def test_bounds_are_of_a_device_and_of_all() -> None:
    """What has ended does not count for its device."""
    state = Commands(limit=4, per_device=2)
    apply(state, queued("a"))
    assert state.room("d") == ""
    assert state.room("d", coming=1) == "too_many_for_device"
    apply(state, queued("b"))
    assert state.room("d") == "too_many_for_device"
    apply(state, queued("a").moved("answered", 1))
    assert state.room("d") == ""
    apply(state, queued("c", "e"))
    apply(state, queued("f", "e"))
    assert state.room("g") == "too_many"
    assert apply(state, queued("g", "g")) == "overflow"


def test_what_cannot_be_understood_changes_nothing() -> None:
    """Nor does a record of another device under a known id."""
    state = Commands()
    apply(state, queued())
    for value in (b"\xff", b"[]", b'{"id":"c"}', encode(queued("other")), encode(queued("c", "e"))):
        assert state.apply("c", value).meaning == "broken"
    assert len(state) == 1


IDS = ["c1", "c2"]


class Reader:
    """A gateway of the model; `first` is the index from which it knows the topic as it was."""

    def __init__(self, log: list[tuple[str, bytes]], *, live: bool) -> None:
        self.state = Commands()
        self.state.live = live
        self.log, self.read = log, 0
        self.outbox: list[tuple[str, bytes]] = []
        self.finals: dict[str, Any] = {}

    def step(self) -> None:
        key, value = self.log[self.read]
        self.read += 1
        if key == "":  # compacted away
            return
        change = self.state.apply(key, value)
        record = change.command
        assert record is not None
        if record.final and change.known:
            said = (record.state, record.result, record.reason)
            assert self.finals.setdefault(key, said) == said
        if change.meaning == "ignored" and change.known:
            self.outbox.append((key, encode(record.as_settled())))


class CommandsMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[str, bytes]] = []
        self.readers = [Reader(self.log, live=True), Reader(self.log, live=True)]
        self.late: list[Reader] = []
        self.clock = 0

    @rule(
        name=st.sampled_from(IDS),
        who=st.integers(0, 1),
        state=st.sampled_from(["queued", "delivered", "answered", "expired"]),
    )
    def say(self, name: str, who: int, state: State) -> None:
        """Whatever a gateway may say of a command, at any time, having read little of what the others said."""
        known = self.readers[who].state.get(name)
        self.clock += 1
        record = known or queued(name)
        if known is None:
            state = "queued"
        result = {"n": self.clock} if state == "answered" else None
        self.readers[who].outbox.append((name, encode(record.moved(state, self.clock, result=result))))

    @rule(who=st.integers(0, 1), count=st.integers(1, 4))
    def publish(self, who: int, count: int) -> None:
        outbox = self.readers[who].outbox
        self.log += outbox[:count]
        del outbox[:count]

    @rule(who=st.integers(0, 1), count=st.integers(1, 6))
    def read(self, who: int, count: int) -> None:
        reader = self.readers[who]
        for _ in range(min(count, len(self.log) - reader.read)):
            reader.step()

    @rule(end=st.integers(0, 60))
    def compact(self, end: int) -> None:
        end = min(end, *(r.read for r in [*self.readers, *self.late]))
        last = {key: n for n, (key, _) in enumerate(self.log[:end])}
        for n, (key, _) in enumerate(self.log[:end]):
            if last[key] != n:
                self.log[n] = ("", b"")

    @rule()
    def join(self) -> None:
        """One more gateway reads what is left in the topic, and goes on from there."""
        if len(self.late) < 3:
            reader = Reader(self.log, live=False)
            self.late.append(reader)
            while reader.read < len(self.log):
                reader.step()
            reader.state.live = True

    def teardown(self) -> None:
        self.join()
        readers = [*self.readers, *self.late]
        for _ in range(50):
            for reader in readers:
                self.log += reader.outbox
                reader.outbox.clear()
                while reader.read < len(self.log):
                    reader.step()
            if not any(r.outbox for r in readers) and all(r.read == len(self.log) for r in readers):
                break
        else:
            raise AssertionError("they never come to rest")
        for name in IDS:
            views = [
                (found.state, found.result) if (found := r.state.get(name)) is not None else None
                for r in readers
            ]
            assert all(view == views[0] for view in views), views


TestCommandsMachine = CommandsMachine.TestCase
TestCommandsMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

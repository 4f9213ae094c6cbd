"""The assembler: what completes, what is lost and why, and which offsets each ends."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from taosbatch.offsets import Lane
from taosbatch.segments import Segment, cut
from taosbatch.segments_assembler import Assembler, Ended, Ignored, Limits

LANE = Lane("segments", 0)


@dataclass(frozen=True)
class At:
    offset: int
    lane: Lane = LANE


def segments(text: str, sender: str = "ana", sent_at: str = '"t1"') -> list[Segment]:
    pieces = cut(text)
    return [Segment(n, len(pieces), sender, sent_at, piece) for n, piece in enumerate(pieces, 1)]


def feed(assembler: Assembler[At], stream: list[Segment], now: float = 0.0, first: int = 0) -> list[Any]:
    return [e for n, s in enumerate(stream, first) for e in assembler.add(s, At(n), now)]


LONG = "".join(f"word{n} ö " for n in range(60))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_segments_in_any_order_with_copies_give_the_message_once(data: st.DataObject) -> None:
    """Several senders interleaved, each segment up to three times: each message comes whole, exactly once, and
    every offset is ended exactly once, by its message or as a copy."""
    texts = data.draw(
        st.dictionaries(st.sampled_from("abcd"), st.text(st.characters(codec="utf-8")), min_size=1)
    )
    all_of = [s for sender, text in texts.items() for s in segments(text + LONG, sender)]
    copies = [s for s in all_of for _ in range(data.draw(st.integers(1, 3)))]
    stream = data.draw(st.permutations(copies))
    assembler: Assembler[At] = Assembler()
    events = feed(assembler, stream)
    whole = {e.sender: e.text for e in events if isinstance(e, Ended)}
    assert whole == {sender: text + LONG for sender, text in texts.items()}
    assert sum(isinstance(e, Ended) for e in events) == len(texts)
    ended = [p.offset for e in events for p in (e.places if isinstance(e, Ended) else (e.place,))]
    assert sorted(ended) == list(range(len(stream)))
    assert (len(assembler), assembler.nbytes) == (0, 0)


def test_an_empty_text_is_one_segment() -> None:
    """It completes at once."""
    [event] = feed(Assembler(), segments(""))
    assert (event.text, event.lost, event.total) == ("", False, 1)


def test_a_message_is_lost_a_while_after_its_last_new_segment() -> None:
    """A copy is nothing new; what was there is given, and the message is forgotten."""
    assembler: Assembler[At] = Assembler(Limits(quiet=3.0))
    first, second, *_ = segments(LONG)
    feed(assembler, [first], now=0.0)
    feed(assembler, [second], now=2.0, first=5)
    feed(assembler, [second], now=4.0, first=6)
    assert assembler.expire(4.9) == []
    [event] = assembler.expire(5.0)
    assert (event.why, event.lost, event.received) == ("quiet", True, 2)
    assert event.text == first.payload + second.payload
    assert [p.offset for p in event.places] == [0, 5]
    assert assembler.expire(100.0) == []


def test_a_message_that_dribbles_is_lost_by_its_age() -> None:
    """A new segment now and then keeps no message for ever."""
    assembler: Assembler[At] = Assembler(Limits(quiet=3.0, age=10.0))
    for n, segment in enumerate(segments(LONG * 3)[:5]):
        assert assembler.add(segment, At(n), 2.0 * n) == []
        assert assembler.expire(2.0 * n) == []
    assert [e.why for e in assembler.expire(10.0)] == ["age"]


def test_silence_counts_up_to_where_a_partition_has_been_read() -> None:
    """What was written later may complete the message; one of another partition is lost all the same."""
    assembler: Assembler[At] = Assembler(Limits(quiet=3.0, age=10.0))
    other = Lane("segments", 1)
    assembler.add(segments(LONG, "ana")[0], At(0), 0.0)
    assembler.add(segments(LONG, "ben")[0], At(0, other), 0.0)
    assert assembler.expire(99.0, {}) == []
    assert [e.sender for e in assembler.expire(99.0, {LANE: 2.9, other: 3.0})] == ["ben"]
    assert [e.why for e in assembler.expire(99.0, {LANE: 3.0})] == ["quiet"]


@pytest.mark.parametrize("contradiction", ["payload", "total"])
def test_a_contradiction_spoils_the_message(contradiction: str) -> None:
    """It is reported once, when its time is over, although all of its segments came."""
    assembler: Assembler[At] = Assembler(Limits(quiet=3.0))
    good = segments(LONG)
    bad = (
        Segment(1, good[0].total, "ana", '"t1"', "other")
        if contradiction == "payload"
        else Segment(1, good[0].total + 1, "ana", '"t1"', good[0].payload)
    )
    [ignored] = feed(assembler, [good[0], bad])
    assert ignored == Ignored(At(1), "conflict")
    rest = feed(assembler, good[1:], now=2.0, first=2)
    assert {e.why for e in rest} == {"conflict"}
    assert assembler.expire(4.0) == []
    [event] = assembler.expire(5.0)
    assert (event.why, event.text, event.places) == ("conflict", good[0].payload, (At(0),))


def test_late_copies_of_a_complete_message_begin_no_new_one() -> None:
    """Until it is forgotten; a segment that differs is of another message of the same name."""
    assembler: Assembler[At] = Assembler(Limits(age=60.0))
    stream = segments(LONG)
    feed(assembler, stream)
    assert {e.why for e in feed(assembler, stream, now=59.0)} == {"duplicate"}
    assert feed(assembler, segments("x" + LONG), now=59.0)[-1].text == "x" + LONG
    assembler.expire(200.0)
    assert feed(assembler, segments("x" + LONG), now=200.0)[-1].text == "x" + LONG


def test_memory_is_bounded_and_the_oldest_makes_room() -> None:
    """By bytes, by number of messages, and for one message that is too large by itself."""
    by_count: Assembler[At] = Assembler(Limits(max_messages=2))
    events = feed(by_count, [segments(LONG, sender)[0] for sender in "abc"])
    assert [(e.sender, e.why) for e in events] == [("a", "evicted")]
    by_bytes: Assembler[At] = Assembler(Limits(max_bytes=10_000))
    events = feed(by_bytes, [segments(LONG, str(n))[0] for n in range(100)])
    assert len(events) + len(by_bytes) == 100
    assert by_bytes.nbytes <= 10_000
    [event] = feed(Assembler(Limits(max_bytes=10_000)), [Segment(1, 2, "a", "1", "x" * 10_000)])
    assert event.why == "evicted"


def test_what_is_remembered_of_complete_messages_is_bounded_too() -> None:
    """A quarter of the bound; beyond it the oldest is forgotten, and its copy begins a message."""
    assembler: Assembler[At] = Assembler(Limits(max_bytes=40_000))
    for n in range(100):
        feed(assembler, segments("hello", str(n)))
    assert [e.text for e in feed(assembler, segments("hello", "0"))] == ["hello"]
    assert [e.why for e in feed(assembler, segments("hello", "99"))] == ["duplicate"]
    assert assembler._done_bytes <= 10_000


def test_numbers_outside_the_limits_are_ignored() -> None:
    """Zero, beyond the total, and a total that nobody would send."""
    assembler: Assembler[At] = Assembler(Limits(max_total=5))
    wrong = [Segment(0, 2, "a", "1", ""), Segment(3, 2, "a", "1", ""), Segment(1, 6, "a", "1", "")]
    assert [e.why for e in feed(assembler, wrong)] == ["limits"] * 3
    assert len(assembler) == 0


def test_a_whole_message_that_is_no_text_is_lost_and_made_legible() -> None:
    """Bytes that were no UTF-8 from the beginning."""
    [event] = feed(Assembler(), [Segment(1, 1, "a", "1", "a\udcffb")])
    assert (event.why, event.lost, event.text) == ("not_text", True, "a\ufffdb")


def test_halves_on_both_sides_of_a_gap_are_no_character() -> None:
    """The text of a lost message invents nothing."""
    assembler: Assembler[At] = Assembler()
    feed(assembler, [Segment(1, 3, "a", "1", "x\udcc3"), Segment(3, 3, "a", "1", "\udca9y")])
    [event] = assembler.expire(99.0)
    assert event.text == "x\ufffd\ufffdy"


def test_a_partition_that_went_takes_its_segments_along() -> None:
    """Nothing is reported, what is left of a message stays, and a complete one is complete anew when it comes
    again: it may not have been delivered."""
    assembler: Assembler[At] = Assembler()
    other = Lane("segments", 1)
    one, two, *rest = segments(LONG)
    feed(assembler, segments("done", "ben"))
    assembler.add(one, At(7), 0.0)
    assembler.add(two, At(3, other), 0.0)
    assembler.add(one, At(9), 0.0)
    assert assembler.drop(lambda at: at.lane == LANE) == 1
    assert len(assembler) == 1
    assert [e.text for e in feed(assembler, segments("done", "ben"))] == ["done"]
    assert feed(assembler, [one, *rest])[-1].text == LONG
    assert assembler.nbytes == 0


class Model(RuleBasedStateMachine):
    """Against a model that keeps everything: no text is invented, no offset is ended twice or forgotten, and
    nothing is held longer than its time."""

    TEXTS = ("", "é" * 120, "short", LONG)

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits(quiet=3.0, age=8.0, max_bytes=12_000, max_messages=3)
        self.assembler: Assembler[At] = Assembler(self.limits)
        self.now = 0.0
        self.offset = 0
        self.lane = 0
        self.open: dict[At, tuple[float, tuple[str, str]]] = {}

    def settle(self, events: list[Any]) -> None:
        for event in events:
            for place in event.places if isinstance(event, Ended) else (event.place,):
                self.open.pop(place)  # a KeyError is a place that was ended before
            if isinstance(event, Ended) and not event.lost:
                assert event.text in self.TEXTS
            if isinstance(event, Ended) and event.why == "quiet":
                assert event.received < event.total

    @rule(text=st.sampled_from(TEXTS), sender=st.sampled_from("ab"), pick=st.integers(0, 99))
    def segment(self, text: str, sender: str, pick: int) -> None:
        stream = segments(text, sender, f'"{len(text)}"')
        segment = stream[pick % len(stream)]
        place = At(self.offset, Lane("segments", self.lane))
        self.offset += 1
        self.open[place] = (self.now, segment.key)
        self.settle(self.assembler.add(segment, place, self.now))

    @rule(sender=st.sampled_from("ab"), total=st.integers(1, 4), number=st.integers(0, 5))
    def stranger(self, sender: str, total: int, number: int) -> None:
        place = At(self.offset, Lane("segments", self.lane))
        self.offset += 1
        segment = Segment(number, total, sender, f'"{len(LONG)}"', "")
        self.open[place] = (self.now, segment.key)
        for event in self.assembler.add(segment, place, self.now):
            if isinstance(event, Ended) and not event.lost:
                assert event.text in ("", *self.TEXTS)
            for ended in event.places if isinstance(event, Ended) else (event.place,):
                self.open.pop(ended)

    @rule(seconds=st.floats(0.1, 4.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.settle(self.assembler.expire(self.now))
        assert all(self.now - at < self.limits.age for at, _ in self.open.values())

    @precondition(lambda self: self.open)
    @rule()
    def partition_goes(self) -> None:
        gone = Lane("segments", self.lane)
        self.lane += 1
        held = [place for place in self.open if place.lane == gone]
        assert self.assembler.drop(lambda place: place.lane == gone) == len(held)
        for place in held:
            del self.open[place]

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        assert len(self.assembler) == len({key for _, key in self.open.values()})
        assert self.assembler.nbytes <= self.limits.max_bytes
        assert len(self.assembler) <= self.limits.max_messages

    def teardown(self) -> None:
        """Every place that the model has open is held, and none besides."""
        assert self.assembler.drop(lambda _: True) == len(self.open)
        assert (len(self.assembler), self.assembler.nbytes) == (0, 0)


Model.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestModel = Model.TestCase

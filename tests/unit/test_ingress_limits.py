"""Buckets, admission, deadlines and debts of the gateway."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taosink.config import load
from taosink.ingress import wiring
from taosink.ingress.limits import Admission, Bucket
from taosink.ingress.owed import OwedAnswers
from taosink.ingress.ports import WorkerAnswer
from taosink.ingress.wheel import Wheel
from taosink.settings.ingress import IngressSettings
from taosink.settings.problems import SettingsError


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    """Time that nobody used is saved up to the burst, no further."""
    bucket = Bucket(3, 0.0)

    assert [bucket.take(2, 3, 0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(2, 3, 0.5) for _ in range(2)] == [True, False]
    assert sum(bucket.take(2, 3, 100.0) for _ in range(10)) == 3


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_a_bucket_never_gives_more_than_burst_and_rate(gaps: list[float]) -> None:
    """Whatever the times."""
    bucket, now, taken = Bucket(5, 0.0), 0.0, 0
    for gap in gaps:
        now += gap
        taken += bucket.take(3, 5, now)
    assert taken <= 5 + 3 * now + 1e-6


def test_admission_counts_in_all_and_per_address() -> None:
    """And forgets an address that has none left."""
    admission = Admission(3, 2)

    assert [admission.enter("a") for _ in range(3)] == ["", "", "too_many_of_address"]
    assert [admission.enter("b"), admission.enter("c")] == ["", "too_many_connections"]
    admission.leave("a")
    assert admission.enter("c") == ""
    for address in "abc":
        admission.leave(address)
    assert admission.count == 0
    assert "addresses=0" in repr(admission)


class Item:
    slot = -1


def test_a_wheel_gives_what_is_due_and_nothing_before() -> None:
    """An item that is filed later again stays where it is; an earlier time moves it."""
    wheel: Wheel[Item] = Wheel(1.0)
    late, early, gone = Item(), Item(), Item()
    wheel.file(late, 10.0)
    wheel.file(late, 20.0)
    wheel.file(early, 10.0)
    wheel.file(early, 2.0)
    wheel.file(gone, 2.0)
    wheel.drop(gone)

    assert list(wheel.due(2.0)) == []
    assert list(wheel.due(3.5)) == [early]
    assert list(wheel.due(11.5)) == [late]
    assert list(wheel.due(1e6)) == []
    assert early.slot == late.slot == -1


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 50)), max_size=40))
def test_a_wheel_is_never_late_by_more_than_a_step(filed: list[tuple[int, float]]) -> None:
    """Each item comes after the earliest time that it was filed for, and within two steps of it."""
    wheel: Wheel[Item] = Wheel(0.25)
    items = [Item() for _ in range(4)]
    first: dict[int, float] = {}
    for which, at in filed:
        wheel.file(items[which], at)
        first[which] = min(first.get(which, at), at)
    now = 0.0
    while first and now < 52:
        for item in wheel.due(now):
            at = first.pop(items.index(item))
            assert at <= now <= at + 0.5 + 1e-9
        now += 0.125
    assert not first


@pytest.fixture
def told() -> list[Sequence[WorkerAnswer]]:
    return []


def test_a_debt_ends_with_its_last_answer_once(told: list[Sequence[WorkerAnswer]]) -> None:
    """Repeated answers count once, those of others not at all."""
    owed = OwedAnswers(30.0, 10)
    assert owed.add("c", 1, 2, 0.0, told.append)

    strangers = owed.tell(
        [
            WorkerAnswer("c", 1, "ok", index=0),
            WorkerAnswer("c", 1, "ok", index=0),
            WorkerAnswer("c", "1", "ok", index=1),
            WorkerAnswer("d", 1, "ok", index=1),
        ]
    )
    assert (strangers, told) == (2, [])
    owed.tell([WorkerAnswer("c", 1, "rejected", index=1)])

    assert [[a.status for a in answers] for answers in told] == [["ok", "rejected"]]
    assert len(owed) == 0
    assert owed.tell([WorkerAnswer("c", 1, "ok", index=1)]) == 1


def test_debts_are_bounded_and_end_by_time(told: list[Sequence[WorkerAnswer]]) -> None:
    """The oldest first, each with what came of it."""
    owed = OwedAnswers(30.0, 2)
    assert owed.add("c", 1, 1, 0.0, told.append)
    assert not owed.add("c", 1, 1, 0.0, told.append)
    assert owed.add("c", 2, 2, 10.0, told.append)
    assert not owed.add("c", 3, 1, 10.0, told.append)
    owed.tell([WorkerAnswer("c", 2, "ok", index=1)])

    assert owed.expire(29.9) == 0
    assert owed.expire(30.0) == 1
    assert owed.expire(45.0) == 1
    assert [len(answers) for answers in told] == [0, 1]
    assert owed.add("c", 3, 1, 45.0, told.append)


def test_who_has_gone_is_owed_nothing(told: list[Sequence[WorkerAnswer]]) -> None:
    """Its debts make room for others at once."""
    owed = OwedAnswers(30.0, 3)
    assert owed.add("c", 1, 1, 0.0, told.append)
    assert owed.add("c", "1", 1, 0.0, told.append)
    assert owed.add("d", 1, 1, 0.0, told.append)

    assert owed.forget("c") == 2
    assert owed.forget("c") == 0

    assert owed.add("e", 1, 2, 0.0, told.append)
    assert owed.tell([WorkerAnswer("c", 1, "ok"), WorkerAnswer("d", 1, "ok")]) == 1
    assert (len(owed), len(told)) == (1, 1)


def test_an_answer_with_another_ticket_is_a_strangers(told: list[Sequence[WorkerAnswer]]) -> None:
    """One without is taken: not every worker gives it back."""
    owed = OwedAnswers(30.0, 3)
    assert owed.add("c", 1, 2, 0.0, told.append, ticket=2)
    assert owed.tell([WorkerAnswer("c", 1, "ok", ticket=1)]) == 1
    assert owed.tell([WorkerAnswer("c", 1, "ok", 0, ticket=2), WorkerAnswer("c", 1, "ok", 1)]) == 0
    assert len(told) == 1


def test_answers_that_will_not_come_shorten_a_debt(told: list[Sequence[WorkerAnswer]]) -> None:
    """Where none is left to wait for, it ends."""
    owed = OwedAnswers(30.0, 2)
    owed.add("c", 1, 2, 0.0, told.append)

    owed.shorten("c", 1, 1)
    assert told == []
    owed.shorten("c", 1, 1)

    assert [list(answers) for answers in told] == [[]]


def test_every_limit_reaches_its_part() -> None:
    """As it was given."""
    flags = {
        "ingress.max-frame": "8KiB",
        "ingress.max-in-flight": "3",
        "ingress.max-output": "9KiB",
        "ingress.slow-reader-after": "4s",
        "ingress.idle-timeout": "5s",
        "ingress.handshake-timeout": "6s",
        "ingress.frame-timeout": "7s",
        "ingress.busy-after": "8s",
        "ingress.message-rate": "9.5",
        "ingress.message-burst": "10",
        "ingress.max-unacknowledged": "11",
        "ingress.max-unacknowledged-bytes": "12KiB",
        "ingress.http-max-body": "13KiB",
        "ingress.http-connections": "14",
    }
    settings = load(IngressSettings, list(flags.items()), environ={}).settings

    limits, broker = wiring.limits(settings), wiring.broker_options(settings, "gw", "")
    assert (limits.max_frame, limits.max_in_flight, limits.max_output) == (8192, 3, 9216)
    assert (limits.slow_after, limits.idle, limits.handshake, limits.frame) == (4, 5, 6, 7)
    assert (limits.busy_after, limits.rate, limits.burst) == (8, 9.5, 10)
    assert (broker.max_records, broker.max_bytes) == (11, 12_288)
    assert wiring.record_limits(settings).body.bytes == 13_312
    assert wiring.wire_limits(settings, 14).connections == 14


def test_a_server_id_is_made_where_none_is_given() -> None:
    """Another one each time, of characters that fit everywhere."""
    settings = IngressSettings()
    first, second = wiring.server_id(settings), wiring.server_id(settings)

    assert first != second
    assert (
        load(IngressSettings, [("ingress.server-id", first)], environ={}).settings.listen.server_id == first
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ingress.tcp-listen", "3000"),
        ("ingress.server-id", "a b"),
        ("ingress.response-topics", "a b"),
        ("ingress.max-frame", "16MiB"),
        ("ingress.max-frame", "100"),
        ("ingress.admin-token", "short"),
        ("ingress.message-rate", "-1"),
    ],
)
def test_settings_that_cannot_be_are_refused(name: str, value: str) -> None:
    """Before anything is begun."""
    with pytest.raises(SettingsError):
        load(IngressSettings, [(name, value)], environ={})

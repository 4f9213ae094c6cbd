"""What a dead letter says of its record, and the forms that it takes."""

import hashlib

import pytest
from confluent_kafka import KafkaError
from hypothesis import given
from hypothesis import strategies as st
from support.letters import REJECT, Source

from taosbatch.encoding import Reason, Reject
from taosink.kafka.dead_letter_form import CUT_SMALL, CUT_VALUE, Form, Record, compose, next_form
from taosink.kafka.dlq_headers import CLASSES, DeadLetterInfo, describe

TEXTS = st.text(max_size=50)
NUMBERS = st.integers(-(2**40), 2**40)
INFOS = st.builds(
    DeadLetterInfo,
    reason=TEXTS,
    cls=TEXTS,
    code=NUMBERS,
    message=TEXTS,
    topic=TEXTS,
    partition=NUMBERS,
    offset=NUMBERS,
    device=TEXTS,
    consumer=TEXTS,
    time_ms=NUMBERS,
    attempt=NUMBERS,
    version=NUMBERS,
    cut=TEXTS,
    size=st.none() | NUMBERS,
    sha256=TEXTS,
    timestamp_ms=st.none() | NUMBERS,
)


@given(INFOS)
def test_headers_come_back_as_they_were(info: DeadLetterInfo) -> None:
    """What is written can be read, whatever a device called itself."""
    assert DeadLetterInfo.decode(info.encode()) == info


@given(
    st.lists(
        st.tuples(
            st.sampled_from([n for n, _ in describe(Source(), REJECT, consumer="c", time_ms=1).encode()]),
            st.binary(max_size=30) | st.none(),
        )
    )
)
def test_foreign_headers_never_raise(headers: list[tuple[str, bytes | None]]) -> None:
    """Anybody can write into the topic; what makes no sense is no dead letter."""
    DeadLetterInfo.decode(headers)
    describe(Source(raw_headers=headers), REJECT, consumer="c", time_ms=1)


def test_a_record_without_the_headers_is_no_dead_letter() -> None:
    """Nothing is made up for a foreign message."""
    assert DeadLetterInfo.decode(None) is None
    assert DeadLetterInfo.decode([("taosink.dlq.reason", b"bad_value")]) is None


def test_it_says_where_the_record_came_from_and_why() -> None:
    """Reason, class, the database's number and words, origin, device, consumer, time."""
    reject = Reject(7, Reason.DATABASE, "Timestamp data out of range", device="tb7", code=0x060B)
    info = describe(Source(), reject, consumer="host-1", time_ms=1234)
    assert dict(info.encode()) == {
        "taosink.dlq.reason": b"database",
        "taosink.dlq.class": b"database",
        "taosink.dlq.code": b"1547",
        "taosink.dlq.message": b"Timestamp data out of range",
        "taosink.dlq.topic": b"test",
        "taosink.dlq.partition": b"3",
        "taosink.dlq.offset": b"41",
        "taosink.dlq.device": b"tb7",
        "taosink.dlq.consumer": b"host-1",
        "taosink.dlq.time": b"1234",
        "taosink.dlq.attempt": b"1",
        "taosink.dlq.version": b"1",
    }


def test_every_reason_has_a_class() -> None:
    """A new reason without one would fail only when its first letter is written."""
    assert set(CLASSES) == set(Reason)


def test_attempts_count_on_over_a_replay() -> None:
    """A record that comes back a third time says so; what is no number counts as none."""
    again = describe(Source(raw_headers=[("taosink.dlq.attempt", b"2")]), REJECT, consumer="c", time_ms=1)
    assert again.attempt == 3
    strange = describe(
        Source(raw_headers=[("taosink.dlq.attempt", b"many")]), REJECT, consumer="c", time_ms=1
    )
    assert strange.attempt == 1


def test_own_headers_stay_and_those_of_an_earlier_letter_go() -> None:
    """Each `taosink.dlq.` header stands once, and an owed answer's headers stay as they are."""
    headers = [("trace", b"1"), ("taosink.reply.to", b"gw-1"), ("taosink.dlq.reason", b"old"), ("none", None)]
    record = Record.of(Source(raw_headers=headers))
    out = compose(record, describe(Source(raw_headers=headers), REJECT, consumer="c", time_ms=1), Form.WHOLE)
    assert list(out.headers[:3]) == [("trace", b"1"), ("taosink.reply.to", b"gw-1"), ("none", None)]
    assert [value for name, value in out.headers if name == "taosink.dlq.reason"] == [b"bad_value"]


def test_a_device_name_of_any_kind_fits_into_a_header() -> None:
    """Long ones are cut, and a lone surrogate has a form too."""
    reject = Reject(0, Reason.DEVICE, "x" * 5000, device="\ud800" + "d" * 5000)
    headers = dict(describe(Source(), reject, consumer="c", time_ms=1).encode())
    assert (headers["taosink.dlq.device"] or b"").startswith(b"\\ud800ddd")
    assert max(len(value or b"") for value in headers.values()) < 1100


@pytest.mark.parametrize(
    ("form", "code", "then"),
    [
        (Form.WHOLE, KafkaError.MSG_SIZE_TOO_LARGE, Form.VALUE_CUT),
        (Form.VALUE_CUT, KafkaError.MSG_SIZE_TOO_LARGE, Form.ALL_CUT),
        (Form.ALL_CUT, KafkaError.MSG_SIZE_TOO_LARGE, None),
        (Form.WHOLE, KafkaError.INVALID_TIMESTAMP, Form.WHOLE_UNSTAMPED),
        (Form.WHOLE_UNSTAMPED, KafkaError.INVALID_TIMESTAMP, None),
        (Form.WHOLE_UNSTAMPED, KafkaError.MSG_SIZE_TOO_LARGE, Form.VALUE_CUT_UNSTAMPED),
        (Form.WHOLE, KafkaError.TOPIC_AUTHORIZATION_FAILED, None),
        (Form.WHOLE, KafkaError._MSG_TIMED_OUT, None),
    ],
)
def test_only_what_concerns_the_record_changes_its_form(form: Form, code: int, then: Form | None) -> None:
    """A refusal of the whole topic must not cost a record its contents."""
    assert next_form(form, code) == then


def test_a_cut_letter_says_what_is_missing() -> None:
    """Length and hash are those of the whole value, so that the original can be recognized."""
    source = Source(
        raw=b"x" * 100_000,
        raw_key=b"k" * 5000,
        raw_headers=[("big", b"y" * 9000), ("taosink.reply.to", b"g")],
    )
    info = describe(source, REJECT, consumer="c", time_ms=1)
    value_cut = compose(Record.of(source), info, Form.VALUE_CUT)
    assert value_cut.value == b"x" * CUT_VALUE
    assert (value_cut.key, value_cut.headers[0]) == (b"k" * 5000, ("big", b"y" * 9000))
    all_cut = compose(Record.of(source), info, Form.ALL_CUT)
    assert (all_cut.value, all_cut.key) == (b"x" * CUT_SMALL, b"k" * CUT_SMALL)
    assert all_cut.headers[0] == ("taosink.reply.to", b"g")
    told = DeadLetterInfo.decode(all_cut.headers)
    assert told is not None
    assert (told.cut, told.size) == ("value,key,headers", 100_000)
    assert told.sha256 == hashlib.sha256(b"x" * 100_000).hexdigest()


def test_a_tombstone_stays_one_in_every_form() -> None:
    """No value is not the same as an empty one."""
    source = Source(raw=None, raw_key=None)
    info = describe(source, REJECT, consumer="c", time_ms=1)
    for form in Form:
        out = compose(Record.of(source), info, form)
        assert out.value is None
        assert out.key is None

"""Bodies of POST /records, taken apart: whatever comes, each record has one outcome and a consumer reads the rest."""

import asyncio
import json
import zlib
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships no type information
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from taosink.ingress.http.body import Body, BodyLimits, Memory
from taosink.ingress.http.errors import Problem
from taosink.ingress.http.records_body import MOST_COMMAS, Converter, Form, Rejected, form_of, overall, split
from taosink.records.record import decode

DEVICES = st.text(min_size=1, max_size=8).filter(lambda s: not set(s) & set(".`\0") and s.isprintable())
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12),
)
RECORDS = st.lists(
    st.tuples(DEVICES, st.integers(0, 2**33), st.lists(CELLS, min_size=1, max_size=6)), min_size=1, max_size=8
)
LIMITS = BodyLimits(bytes=5000, idle_seconds=1, seconds=2, all_bytes=6000)


def bodies(records: list[tuple[str, int, list[Any]]]) -> dict[Form, bytes]:
    """The same records in each form."""
    as_json = [
        json.dumps(
            {"DeviceID": d, "Timestamp": "2026-01-31T12:00:00.5Z", "Cols": c}, ensure_ascii=False
        ).encode()
        for d, _, c in records
    ]
    as_msgpack = [{"DeviceID": d, "Timestamp": msgpack.Timestamp(t, 7), "Cols": c} for d, t, c in records]
    return {
        "json": b"[" + b",\n".join(as_json) + b"]",
        "ndjson": b"\r\n".join(as_json),
        "msgpack": msgpack.packb(as_msgpack),
    }


def made(form: Form, body: bytes, device: str = "") -> list[tuple[str, bytes] | Rejected]:
    converter = Converter(device, text=form != "msgpack")
    return [converter.convert(index, raw) for index, raw in enumerate(split(form, body, 1000))]


@given(RECORDS)
@settings(max_examples=25, deadline=None)
def test_what_is_good_reaches_the_consumer_unchanged(records: list[tuple[str, int, list[Any]]]) -> None:
    """Every form, any device, any value that a record may hold: the consumer decodes the same."""
    for form, body in bodies(records).items():
        for (device, _, cols), one in zip(records, made(form, body), strict=True):
            assert not isinstance(one, Rejected), one
            found = decode(one[1])
            assert (one[0], found.device, list(found.cols)) == (device, device, cols)


@given(RECORDS, st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_broken_is_refused_or_read_by_the_consumer(
    records: list[tuple[str, int, list[Any]]], data: st.DataObject
) -> None:
    """Bytes changed, cut, doubled: a Problem for the whole or an outcome for each, and no value that is none."""
    form, body = data.draw(st.sampled_from(sorted(bodies(records).items())))
    broken = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(broken)))
        end = data.draw(st.integers(at, min(len(broken), at + 6)))
        broken[at:end] = data.draw(
            st.one_of(st.binary(max_size=6), st.sampled_from([b"{", b"[", b'"', b"\n", b"\xdf", b"NaN"]))
        )
    check(form, bytes(broken))


@given(st.sampled_from(["json", "ndjson", "msgpack"]), st.binary(max_size=200), st.sampled_from(["", "d1"]))
@settings(max_examples=200, deadline=None)
def test_noise_is_refused(form: Form, body: bytes, device: str) -> None:
    """No bytes raise anything but a Problem."""
    check(form, body, device)


def check(form: Form, body: bytes, device: str = "") -> None:
    try:
        outcomes = made(form, body, device)
    except Problem as problem:
        refused = problem.status
    else:
        refused = 0
        judge(outcomes)
    assert refused in (0, 400, 413)


def judge(outcomes: list[tuple[str, bytes] | Rejected]) -> None:
    for one in outcomes:
        if isinstance(one, Rejected):
            assert one.status in (400, 403)
            assert one.text
        else:
            # Beyond BIGINT an integer may still be meant for a BIGINT UNSIGNED column.
            assert decode(one[1], unsigned=True).device == one[0]


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("json", b"[" + b"0," * (MOST_COMMAS + 1) + b"0]"),
        ("ndjson", b"\n" * 3000),
        ("msgpack", b"\xdd\xff\xff\xff\xff" + bytes(100)),
        ("msgpack", b"\xdc\x04\x00"),
    ],
)
def test_too_many_records_are_seen_before_they_are_made(
    monkeypatch: pytest.MonkeyPatch, form: Form, body: bytes
) -> None:
    """413 by counting alone."""
    for decoder in ("_json_list", "_packed_list"):
        monkeypatch.setattr(f"taosink.ingress.http.records_body.{decoder}", None)
    with pytest.raises(Problem) as caught:
        split(form, body, 1000)
    assert (caught.value.status, caught.value.code) == (413, "too_many_records")


def test_a_record_that_no_topic_takes_is_refused_alone() -> None:
    """Larger than a message may be."""
    (one,) = made(
        "ndjson", b'{"Timestamp":"2026-01-31T12:00:00Z","Cols":["' + b"x" * 1_000_000 + b'"]}', "d1"
    )
    assert isinstance(one, Rejected)
    assert one.code == "record_rejected"


def test_the_status_of_all_is_the_one_that_they_share() -> None:
    """202 for none rejected, 207 for a mixture of anything."""
    bad, foreign = Rejected(0, 400, "c", "t"), Rejected(1, 403, "c", "t")
    assert overall([], 3) == 202
    assert overall([bad], 0) == 400
    assert overall([bad], 1) == 207
    assert overall([bad, foreign], 0) == 207


@pytest.mark.parametrize(
    "given_", ["application/json;charset=UTF-8", "Application/JSON", 'application/json; charset="utf-8"']
)
def test_content_types_are_read_as_they_are_written(given_: str) -> None:
    """Case, spaces and quotes do not matter."""
    assert form_of(given_) == "json"


def reading(pieces: list[bytes], encoding: str = "gzip", memory: Memory | None = None) -> bytes:
    """What `Body.read` makes of these pieces."""
    left = [*pieces]

    async def receive() -> dict[str, Any]:
        if not left:
            return {"type": "http.disconnect"}
        piece = left.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    async def read() -> bytes:
        async with Body(
            Headers({"content-encoding": encoding}), receive, LIMITS, memory or Memory(6000)
        ) as body:
            return await body.read()

    return asyncio.run(read())


def gzipped(data: bytes, level: int = 9) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


@given(st.lists(st.tuples(st.binary(max_size=300), st.integers(1, 20)), min_size=1, max_size=3), st.data())
@settings(max_examples=60, deadline=None)
def test_gzip_inflates_to_what_was_packed(members: list[tuple[bytes, int]], data: st.DataObject) -> None:
    """Any number of members, however the network cuts them, however well they are packed."""
    plain = b"".join(part * times for part, times in members)[: LIMITS.bytes]
    packed = gzipped(plain[: len(plain) // 2]) + gzipped(
        plain[len(plain) // 2 :], data.draw(st.integers(0, 9))
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(packed)), max_size=6)))
    pieces = [packed[a:b] for a, b in zip([0, *cuts], [*cuts, len(packed)], strict=True)]
    assert reading(pieces) == plain


@given(st.binary(max_size=400))
@settings(max_examples=60, deadline=None)
def test_gzip_that_is_none_is_a_problem(noise: bytes) -> None:
    """Never another exception."""
    try:
        reading([gzipped(b"x")[:10] + noise])
        status = 400
    except Problem as problem:
        status = problem.status
    assert status == 400


def test_what_is_sent_is_bounded_though_nothing_comes_out() -> None:
    """Empty gzip members without an end inflate to nothing, and are a body that is too large all the same."""
    with pytest.raises(Problem) as caught:
        reading([gzipped(b"")] * 1000)
    assert caught.value.status == 413


def test_memory_is_given_back_however_a_body_ends() -> None:
    """Read, too large, broken, cut: nothing stays taken, and no more than the bound is ever held."""
    memory = Memory(6000)
    assert reading([b"x" * 5000], "", memory) == b"x" * 5000
    with pytest.raises(Problem) as caught:
        reading([gzipped(bytes(5001))], memory=memory)
    assert caught.value.status == 413
    with pytest.raises(Problem):
        reading([gzipped(b"x" * 4000)[:-9]], memory=memory)
    with pytest.raises(ClientDisconnect):
        reading([])
    assert memory.taken == 0
    memory.take(2000)
    with pytest.raises(Problem) as caught:
        reading([b"x" * 4001], "", memory)
    assert caught.value.status == 429
    assert memory.taken == 2000

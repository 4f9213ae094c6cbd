"""Mutates bodies of POST /records for as long as is asked: `python tests/soak/fuzz_http_bodies.py SECONDS [SEED]`.

Whatever comes, in pieces and packed or not: a refusal that is documented, or an outcome for each record, and what is
accepted is a record that the consumer's own codec reads as the same device's.
"""

import asyncio
import gzip
import json
import random
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships no type information

sys.path.insert(0, str(Path(__file__).parents[1]))

from starlette.datastructures import Headers  # the path above comes first
from starlette.types import Message

from taosink.ingress.http.body import Body, BodyLimits, Memory
from taosink.ingress.http.errors import Problem
from taosink.ingress.http.records_body import FORMS, Converter, Rejected, form_of, overall, split
from taosink.records.record import decode

LIMITS = BodyLimits(bytes=65_536, idle_seconds=1.0, seconds=2.0, all_bytes=100_000)
RECORDS = 200
STATUSES = frozenset({400, 413, 415, 429})
CODES = frozenset({"record_rejected", "wrong_device"})
SCRAPS = (
    *(b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\u", b"\n", b"NaN", b"-0", b"1e999", b"null", b"\0"),
    *(b"\x90", b"\xc1", b"\xc7\x0c\xff", b"\xd6\xff", b"\xdc\xff\xff", b"\xdd\xff\xff\xff\xff"),
    *(b"\xdf\xff\xff\xff\xff", b"\xff", b"\xed\xa0\x80", b"\x1f\x8b\x08"),
)


def seeds() -> list[tuple[str, bytes]]:
    """Good bodies, one for each form and content type."""
    cells: list[Any] = [1, -5, 2.5, True, None, "text", "ü😀", 2**63 - 1, 1e300]
    texts = [
        json.dumps(
            {"DeviceID": f"pump-{i}", "Timestamp": f"2026-01-31T12:00:0{i}.5Z", "Cols": cells[: i + 1]},
            ensure_ascii=i % 2 == 0,
        ).encode()
        for i in range(9)
    ]
    packed = [
        {
            "DeviceID": f"pump-{i}",
            "Timestamp": msgpack.Timestamp(1_700_000_000 + i, i),
            "Cols": cells[: i + 1],
        }
        for i in range(9)
    ]
    bodies = {
        "json": [texts[0], b"[" + b", ".join(texts) + b"]"],
        "ndjson": [b"\n".join(texts), b"\r\n".join([*texts, b""])],
        "msgpack": [msgpack.packb(packed[3]), msgpack.packb(packed)],
    }
    return [(kind, body) for kind, form in FORMS.items() for body in bodies[form]]


def mutated(body: bytes, chance: random.Random) -> bytes:
    data = bytearray(body)
    for _ in range(chance.randrange(6)):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[at:at] = chance.choice(SCRAPS)
        elif kind == 2:
            del data[at : at + chance.randrange(1, 9)]
        elif kind == 3:
            data[at:at] = data[at : at + chance.randrange(1, 200)] * chance.randrange(1, 4)
        elif kind == 4:
            data[at:at] = chance.choice((b"\x91", b"[", b'{"a":', b"\x81\xa1a")) * chance.randrange(1, 3000)
        else:
            del data[at:]
    return bytes(data)


def packed(body: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Content-Encoding, and the body in it; sometimes a stream that is none."""
    kind = chance.randrange(8)
    if kind > 2:
        return "", body
    if kind == 0:
        return "gzip", mutated(gzip.compress(body, 1), chance)
    # A bomb now and then: much more than fits into the bound.
    return "gzip", gzip.compress(body * chance.choice((1, 1, 1, 400)), 1)


async def read(encoding: str, body: bytes, memory: Memory, chance: random.Random) -> bytes:
    cuts = sorted(chance.randrange(len(body) + 1) for _ in range(chance.randrange(5)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]

    async def receive() -> Message:
        piece = pieces.pop(0) if pieces else b""
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async with Body(Headers({"content-encoding": encoding}), receive, LIMITS, memory) as found:
        whole = await found.read()
        assert len(whole) <= LIMITS.bytes
        return whole


def judge(kind: str, body: bytes, device: str, outcomes: Counter[str]) -> None:
    form = form_of(kind)
    converter = Converter(device, text=form != "msgpack")
    raws = split(form, body, RECORDS)
    assert 0 < len(raws) <= RECORDS
    rejected = []
    for index, raw in enumerate(raws):
        made = converter.convert(index, raw)
        if isinstance(made, Rejected):
            assert made.index == index
            assert made.status in (400, 403)
            assert made.code in CODES, made
            assert made.text
            rejected.append(made)
            outcomes["rejected"] += 1
            continue
        name, value = made
        record = decode(value, unsigned=True)
        assert record.device == name
        assert not device or name == device
        outcomes["accepted"] += 1
    assert overall(rejected, len(raws) - len(rejected)) in (202, 207, 400, 403)


def must(holds: bool, what: object) -> None:
    assert holds, what


async def run(seconds: float, seed: int) -> None:
    chance, memory, good = random.Random(seed), Memory(LIMITS.all_bytes), seeds()
    ends, runs = time.monotonic() + seconds, 0
    outcomes: Counter[str] = Counter()
    while time.monotonic() < ends:
        kind, seed_body = chance.choice(good)
        kind = chance.choice((kind, kind, kind, *FORMS, "text/plain"))
        encoding, body = packed(mutated(seed_body, chance), chance)
        device = chance.choice(("", "", "pump-3"))
        try:
            judge(kind, await read(encoding, body, memory, chance), device, outcomes)
            # Timers that were cancelled are forgotten in the loop's own turns.
            await asyncio.sleep(0)
        except Problem as problem:
            must(problem.status in STATUSES, problem)
            outcomes[f"refused {problem.status} {problem.code}"] += 1
        except Exception:
            print(f"seed {seed}, run {runs}: {kind} {encoding!r} {device!r} {body!r}")  # noqa: T201  # a tool's output
            raise
        assert memory.taken == 0
        runs += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{runs} runs, {peak} MiB at most, {dict(sorted(outcomes.items()))}")  # noqa: T201  # the same


if __name__ == "__main__":
    asyncio.run(run(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))

"""Mutates frames for as long as is asked: `python tests/soak/fuzz_device_frames.py SECONDS [SEED]`.

Any bytes, cut anywhere, must give the same frames; and nothing but FrameError and ProtocolError may come out.
"""

import random
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.protocol_doc import examples  # the path above comes first

from taosdevice.framing import FrameError, FrameSplitter, Framing
from taosdevice.protocol import ProtocolError, read_request, records_of

LIMIT = 4096
EDGES = (
    0,
    1,
    0x7F,
    0x80,
    0x90,
    0xC1,
    0xC7,
    0xD6,
    0xDB,
    0xDC,
    0xDD,
    0xDE,
    0xDF,
    0xFF,
    *b'{}[]":,\\u\n\r 0eE.-',
)


def mutated(seed: bytes, chance: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(chance.randrange(1, 8)):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = chance.choice(EDGES)
        elif kind == 2:
            data[at:at] = bytes(chance.choices(EDGES, k=chance.randrange(1, 6)))
        elif kind == 3:
            del data[at : at + chance.randrange(1, 9)]
        elif kind == 4:
            data[at:at] = data[at : at + chance.randrange(1, 40)] * chance.randrange(1, 4)
        else:
            data[at:at] = chance.choice((b"\x91", b"[", b'{"a":', b"\x81\xa1a")) * chance.randrange(1, 600)
    return bytes(data)


def frames_of(data: bytes, cuts: list[int]) -> tuple[Framing | None, list[bytes], str]:
    splitter, frames = FrameSplitter(LIMIT), []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        try:
            frames += splitter.feed(data[start:end])
        except FrameError as error:
            return splitter.framing, frames + error.frames, error.code
        assert splitter.buffered <= LIMIT + 4
    return splitter.framing, frames, ""


def judge(framing: Framing, frame: bytes) -> str:
    try:
        request = read_request(framing, frame)
        if request.action in ("data", "batch"):
            found = records_of(framing, "pump-7", request.data)
            return "record" if all(isinstance(one, bytes) for one in found) else "rejected"
    except (FrameError, ProtocolError) as error:
        return error.code
    return "request"


def main(seconds: float, seed: int) -> None:
    seeds = [b"".join(step.wire for step in one.steps if step.sent) for one in examples()]
    seeds += [step.wire for one in examples() for step in one.steps]
    chance, ends, runs = random.Random(seed), time.monotonic() + seconds, 0
    outcomes: dict[str, int] = {}
    while time.monotonic() < ends:
        data = mutated(chance.choice(seeds) or b"{}", chance)
        cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(6)))
        whole = frames_of(data, [])
        assert frames_of(data, cuts) == whole, (data, cuts)
        for frame in whole[1]:
            assert whole[0] is not None
            try:
                said = judge(whole[0], frame)
            except Exception:
                print(f"seed {seed}, run {runs}: {whole[0]} {frame!r}")  # noqa: T201  # a tool's output
                raise
            outcomes[said] = outcomes.get(said, 0) + 1
        if whole[2]:
            outcomes[whole[2]] = outcomes.get(whole[2], 0) + 1
        runs += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{runs} runs, {peak} MiB at most, {dict(sorted(outcomes.items()))}")  # noqa: T201  # the same


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)

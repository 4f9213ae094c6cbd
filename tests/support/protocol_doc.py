"""The examples of docs/PROTOCOL.md as a test can replay them."""

import re
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from taosdevice.framing import FrameSplitter, Framing, encode_frame

DOC = Path(__file__).parents[2] / "docs" / "PROTOCOL.md"
ANY = "…"
_BLOCK = re.compile(r"^```protocol (json|msgpack)( shown)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Step:
    """One message, with its framing around it; `sent` by the device."""

    sent: bool
    wire: bytes


@dataclass(frozen=True, slots=True)
class Example:
    """One connection. `shown`: it needs workers or a stop, so that no gateway alone would answer so."""

    line: int
    framing: Framing
    shown: bool
    steps: tuple[Step, ...]


def examples(text: str | None = None) -> list[Example]:
    """All of the document's, in order."""
    found = text if text is not None else DOC.read_text(encoding="utf-8")
    return [
        Example(
            found[: match.start()].count("\n") + 1,
            Framing(match[1]),
            bool(match[2]),
            tuple(_steps(Framing(match[1]), match[3].splitlines())),
        )
        for match in _BLOCK.finditer(found)
    ]


def _steps(framing: Framing, lines: list[str]) -> list[Step]:
    steps = []
    for mark, group in groupby(lines, key=lambda line: line[:2]):
        assert mark in ("> ", "< "), f"a line of an example begins with {mark!r}"
        texts = [line[2:] for line in group]
        if framing is Framing.JSON_LINES:
            wires = [text.encode() + b"\n" for text in texts]
        else:
            splitter = FrameSplitter(framing=framing)
            bodies = splitter.feed(bytes.fromhex("".join(texts)))
            assert not splitter.buffered, "an example ends in the middle of a frame"
            wires = [len(body).to_bytes(4, "big") + body for body in bodies]
        steps += [Step(mark == "> ", wire) for wire in wires]
    return steps


def payload(framing: Framing, wire: bytes) -> bytes:
    (found,) = FrameSplitter(framing=framing).feed(wire)
    return found


def fits(expected: Any, found: Any) -> bool:
    """Whether an answer is the one that is shown: the same keys in the same order, `…` standing for anything."""
    if expected == ANY:
        return True
    if isinstance(expected, dict) and isinstance(found, dict):
        return list(expected) == list(found) and all(fits(expected[key], found[key]) for key in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(fits, expected, found))
    return type(expected) is type(found) and bool(expected == found)


def is_canonical(framing: Framing, message: dict[str, Any], wire: bytes) -> bool:
    """Whether this is what our own encoder writes."""
    return encode_frame(framing, message) == wire

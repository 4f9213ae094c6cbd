"""Segments of a text: how it is cut for a link with small frames, and how the pieces become the text again.

Text is carried as `str`. A sender that cuts by bytes may cut inside a character, and half a character is no
text: such bytes are carried as lone surrogates, as Python's `surrogateescape` has it (byte 0x80 is U+DC80), and
a sender that cuts between the two halves of a UTF-16 pair sends each as a lone surrogate by itself. `join` makes
both whole again. What a sender has replaced (U+FFFD, as many JSON encoders do) is gone and stays replaced.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

LIMIT = 100
"""Bytes of a segment's text, in UTF-8."""
LONGEST_CHARACTER = 4

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_REPLACED = "\ufffd"


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece, `number` of 1..`total`. A message is known by its sender and `sent_at`, compared as texts."""

    number: int
    total: int
    sender: str
    sent_at: str
    payload: str

    @property
    def key(self) -> tuple[str, str]:
        return self.sender, self.sent_at


def cut(text: str, limit: int = LIMIT) -> list[str]:
    """The text in pieces of at most `limit` bytes of UTF-8 each, cut between characters; one empty piece of an
    empty text. Raises ValueError for a text with lone surrogates and for a limit below 4."""
    if limit < LONGEST_CHARACTER:
        raise ValueError(f"a limit of {limit} bytes holds no character of {LONGEST_CHARACTER}")
    data = text.encode()
    pieces = []
    start = 0
    while start < len(data):
        end = min(start + limit, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(data[start:end].decode())
        start = end
    return pieces or [""]


def join(payloads: Iterable[str]) -> str:
    """The text of all pieces in order, halves of characters made whole; ValueError where some stay halves."""
    text = _PAIR.sub(_combined, "".join(payloads))
    return text.encode("utf-8", "surrogateescape").decode()


def legible(payloads: Iterable[str]) -> str:
    """As `join`, with U+FFFD for what is no character; never raises."""
    text = _NO_BYTE.sub(_REPLACED, _PAIR.sub(_combined, "".join(payloads)))
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _combined(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le")

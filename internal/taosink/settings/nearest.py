"""The name that was probably meant, where one is like enough to what was written. Pure."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

ALIKE = 0.6
"""Of two names, how much at least is the same. Below it they share letters by chance, and the hint misleads."""
END_ALIKE = 0.8
"""The same of a name's end alone, which is shorter, so that more is alike by chance."""
END_COUNTS = 0.9
"""How much of a likeness is left where only the end is alike: `workers` means `worker` rather than `x.workers`."""

_WORDS = re.compile(r"[._ -]")


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like this one; empty where none is like it."""
    likeness, found = max(((_likeness(name, k), k) for k in sorted(known)), default=(0.0, ""))
    return found if likeness else ""


def hint(name: str, known: Iterable[str], show: str = "{}") -> str:
    """`; the nearest is ...` for the end of a line, or nothing. `show` says how the name is written there."""
    near = nearest(name, known)
    return f"; the nearest is {show.format(near)}" if near else ""


def _likeness(name: str, known: str) -> float:
    """0 where they are not alike. What begins as the other does in whole words is alike a little."""
    words, others = _WORDS.split(name), _WORDS.split(known)
    whole, end = _ratio(name, known), 0.0
    if len(words) < len(others):
        end = _ratio(" ".join(words), " ".join(others[-len(words) :]))
    least = min(len(words), len(others))
    return max(
        whole if whole >= ALIKE else 0.0,
        end * END_COUNTS if end >= END_ALIKE else 0.0,
        whole * ALIKE if words[:least] == others[:least] else 0.0,
    )


def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()

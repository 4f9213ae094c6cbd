"""How far a partition has come, as the tracker tells it."""

from typing import NamedTuple


class LaneOffsets(NamedTuple):
    """Where a live lane stands. `delivered` and `committable` are positions (the offset of the next record),
    `committable` never above `delivered`, both None until something was delivered. `pending_since` is the
    `now` given with the oldest chunk that is still out, `oldest` its `stamp`, `newest` the last chunk's.
    """

    epoch: int
    delivered: int | None
    committable: int | None
    committed: int | None
    pending: int
    pending_since: float | None
    oldest: float | None = None
    newest: float | None = None

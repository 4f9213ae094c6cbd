"""Decoders that know a table's columns: what they take surely fits, at no cost beyond decoding."""

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Literal, Union

import msgspec

from taosbatch.guards import RowGuard, TableGuard
from taosbatch.judges import Plain
from taosink.records.model import TAG, TIME_COLUMN, column

Form = Literal["msgpack", "json"]
Decode = Callable[[bytes], Any]

_MOST_WIDTHS = 16
_STAMPS: dict[Form, Any] = {"msgpack": msgspec.Raw, "json": str}


class Typed:
    """For one table. Shared by threads: what two make at once is the same.

    `width`: of records that fill the table; `least_bytes`: as the table's.
    """

    def __init__(self, table: TableGuard) -> None:
        self._table = table
        self._rows: dict[int, RowGuard] = {}
        self._decoders: dict[tuple[int, Form], Decode | None] = {}
        self.width = max(1, len(table.columns) - 1)
        self.least_bytes = table.least_bytes

    def decoder(self, width: int, form: Form) -> Decode | None:
        """For records of this many values; None where there is none: a hostile producer could ask for many."""
        key = width, form
        if key not in self._decoders and len(self._decoders) < 2 * _MOST_WIDTHS:
            kinds = [_kind(plain) for plain in self.row(width).plains or ()]
            self._decoders[key] = _decoder(tuple(kinds), form) if kinds and all(kinds) else None
        return self._decoders.get(key)

    def row(self, width: int) -> RowGuard:
        """What the table takes of rows with this many values."""
        found = self._rows.get(width)
        if found is None:
            found = self._table.row(TIME_COLUMN, [column(position) for position in range(width)])
            if len(self._rows) < 2 * _MOST_WIDTHS:
                self._rows[width] = found
        return found

    def tag_problem(self, device: str) -> str | None:
        """Why no subtable can be made for this device, or None."""
        return self._table.tag_problem([(TAG, device)])

    def __repr__(self) -> str:
        return f"<Typed widths={sorted({width for width, _ in list(self._decoders)})}>"


@lru_cache(maxsize=8)
def typed(table: TableGuard) -> Typed:
    """The same object for an equal table, so that its decoders are made once."""
    return Typed(table)


def _decoder(kinds: tuple[Any, ...], form: Form) -> Decode:
    record = msgspec.defstruct(
        "Record",
        [("DeviceID", str), ("Timestamp", _STAMPS[form]), ("Cols", tuple[kinds])],  # type: ignore[valid-type]  # made at run time
        gc=False,
    )
    decoder = msgspec.msgpack.Decoder(record) if form == "msgpack" else msgspec.json.Decoder(record)
    return decoder.decode


def _kind(plain: Plain) -> Any:
    """What surely fits as a type; None where there is no such value."""
    kinds: list[Any] = [type(None)] if plain.nulls else []
    if plain.bools:
        kinds.append(bool)
    if plain.integers:
        kinds.append(Annotated[int, msgspec.Meta(ge=plain.integers[0], le=plain.integers[1])])
    if plain.reals:
        kinds.append(Annotated[float, msgspec.Meta(ge=plain.reals[0], le=plain.reals[1])])
    if plain.chars is not None:
        kinds.append(Annotated[str, msgspec.Meta(max_length=plain.chars)])
    return Union[tuple(kinds)] if kinds else None  # noqa: UP007  # the number of members is not known here

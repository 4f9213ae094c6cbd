"""Column types from values, for tables that have to be made before anything can be stored."""

from collections.abc import Iterable

from taosbatch.encoding import Stable
from taosbatch.literals import Value

COLUMN_TEXT_BYTES = 65_517
TAG_TEXT_BYTES = 16_382
ROW_BYTES = 65_531
TAGS_BYTES = 16_384
COLUMNS = 4096
"""The server's limits (TDengine 3.x); the last counts columns and tags together."""

_LEAST_TEXT = 64
_HEADROOM_BYTES = 16_384
_STEP_BYTES = 4_096
"""Head-room ends at a quarter of a row, or one column could take the room of all that come later. Longer texts
are rounded up to a step, so that slightly longer ones do not each need an ALTER."""


class _Fields:
    """Names in the order in which they were seen, each with its first type and its longest text.

    Texts of more than `text_limit` bytes leave no trace in the sizes: no column takes them, so that the one that
    is made is to suit the others.
    """

    def __init__(self, text_limit: int) -> None:
        self.text_limit = text_limit
        self.kinds: dict[str, str] = {}
        self.longest: dict[str, int] = {}

    def see(self, cells: Iterable[tuple[str, Value]]) -> None:
        for name, value in cells:
            if not self.kinds.get(name):
                self.kinds[name] = _kind(value)
            if isinstance(value, str):
                size = len(value.encode())
                if self.longest.get(name, 0) < size <= self.text_limit:
                    self.longest[name] = size

    def types(self, total_limit: int) -> tuple[tuple[str, str], ...]:
        """Types whose sizes fit a row: with head-room for longer texts where that fits too."""
        texts = {name: self.longest.get(name, 0) for name, kind in self.kinds.items() if kind == "VARCHAR"}
        # A text carries its length in two bytes; no other type is larger than 8.
        room = total_limit - 8 * (len(self.kinds) - len(texts)) - 2 * len(texts)
        sizes = {name: min(_headroom(size), self.text_limit) for name, size in texts.items()}
        if sum(sizes.values()) > room:
            sizes = {name: max(1, size) for name, size in texts.items()}
        if (total := sum(sizes.values())) > room:
            sizes = {name: max(1, size * room // total) for name, size in sizes.items()}
        return tuple(
            (name, f"VARCHAR({sizes[name]})" if name in sizes else kind or "DOUBLE")
            for name, kind in self.kinds.items()
        )


class Inference:
    """Collects rows, gives the supertables that they need. Used by one thread."""

    def __init__(self) -> None:
        self._stables: dict[tuple[str, str], tuple[str, _Fields, _Fields]] = {}

    def see(
        self,
        database: str,
        supertable: str,
        time_column: str,
        columns: Iterable[tuple[str, Value]],
        tags: Iterable[tuple[str, Value]],
    ) -> None:
        """One row. Names are taken as they are; the first timestamp column named for a supertable wins."""
        key = (database, supertable)
        if key not in self._stables:
            self._stables[key] = (time_column, _Fields(COLUMN_TEXT_BYTES), _Fields(TAG_TEXT_BYTES))
        _, column_fields, tag_fields = self._stables[key]
        column_fields.see(columns)
        tag_fields.see(tags)

    def stables(self) -> list[Stable]:
        """Numbers are DOUBLE, bools BOOL, texts VARCHAR; what was only ever NULL is DOUBLE."""
        found = []
        for (database, name), (time_column, columns, tags) in self._stables.items():
            tag_types = tags.types(TAGS_BYTES)
            types = columns.types(ROW_BYTES - 8)
            kept = types[: COLUMNS - 1 - len(tag_types)]
            found.append(Stable(database, name, ((time_column, "TIMESTAMP"), *kept), tag_types))
        return found


def _kind(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "BOOL"
    return "VARCHAR" if isinstance(value, str) else "DOUBLE"


def _headroom(size: int) -> int:
    if not size:
        return _LEAST_TEXT
    doubled = max(_LEAST_TEXT, 1 << (2 * size - 1).bit_length())
    if doubled <= _HEADROOM_BYTES:
        return doubled
    return max(_HEADROOM_BYTES, -(-size // _STEP_BYTES) * _STEP_BYTES)

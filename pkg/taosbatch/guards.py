"""Guards: which rows a live table cannot hold, found before any SQL is written. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from taosbatch.encoding import MAX_STATEMENT_BYTES, Precision
from taosbatch.inference import COLUMNS
from taosbatch.judges import ANYTHING, WIDEST_COLUMN, WIDEST_TAG, ColumnRule, Lossy, Plain, column_rule
from taosbatch.literals import INT64_MIN, Value

CLOCK_MARGIN = 86_400
"""Seconds by which this clock may differ from the server's: so close to the end of KEEP the server is asked."""

PER_SECOND: Mapping[Precision, int] = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_LAST_SECOND: Mapping[Precision, int] = {"ms": 31_556_995_200, "us": 31_556_995_200, "ns": 9_214_646_400}
_LAST_YEAR: Mapping[Precision, str] = {"ms": "2970-01-01", "us": "2970-01-01", "ns": "2262-01-01"}
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class GuardRule:
    """What is refused beyond what the database refuses. `future`: seconds ahead of now, None for no bound."""

    lossy: Lossy = "allow"
    future: float | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The times that are taken. Without `now_ns`, only what no clock can change is judged.

    `keep_minutes`: how far back the database takes rows, 0 where it does not say.
    """

    precision: Precision
    keep_minutes: int = 0
    future: float | None = None
    now_ns: int | None = None

    def bounds(self) -> tuple[int, int]:
        """The first and last time in the database's unit, both inclusive."""
        unit = PER_SECOND[self.precision]
        first, last = INT64_MIN, _LAST_SECOND[self.precision] * unit
        if self.now_ns is not None:
            now = self.now_ns * unit // _NS
            if self.keep_minutes:
                first = max(first, now - (self.keep_minutes * 60 + CLOCK_MARGIN) * unit)
            if self.future is not None:
                last = min(last, now + int(self.future * unit))
        return first, last

    def anywhere(self) -> "Window":
        """What holds in another database of the same server, whose KEEP is not known."""
        return replace(self, keep_minutes=0)

    def problem(self, at: int) -> str | None:
        """Why this time is not taken, or None."""
        first, last = self.bounds()
        if first <= at <= last:
            return None
        unit = PER_SECOND[self.precision]
        if at > _LAST_SECOND[self.precision] * unit:
            return f"the time {at} {self.precision} is after {_LAST_YEAR[self.precision]}, the last that it holds"
        now = (self.now_ns or 0) * unit // _NS
        if at > last:
            return f"the time is {_span(at - now, unit)} ahead of now, guard.future allows {self.future:g} s"
        kept = _span(self.keep_minutes * 60, 1)
        return f"the time is {_span(now - at, unit)} old, the database keeps {kept} (KEEP)"


@dataclass(frozen=True, slots=True)
class RowGuard:
    """For rows of one column list. `problem`: why no such row can be stored, whatever it holds. `unsigned`:
    positions, from 0, of the columns that hold integers beyond BIGINT."""

    problem: str | None
    fields: tuple[tuple[str, str], ...] = ()
    rules: tuple[ColumnRule, ...] = ()
    unsigned: frozenset[int] = frozenset()

    @property
    def plains(self) -> tuple[Plain, ...] | None:
        """What surely fits, column by column; None where nothing does."""
        return None if self.problem else tuple(rule.plain for rule in self.rules)

    def check(self, values: Sequence[Value]) -> str | None:
        """Why these values cannot be stored, or None. There are as many as columns."""
        if self.problem:
            return self.problem
        for (name, type_text), rule, value in zip(self.fields, self.rules, values, strict=True):
            problem = rule.judge(value)
            if value is None and not rule.plain.nulls:
                problem = "null cannot stand in the primary key"
            if problem:
                return f"column {name} is {type_text}: {problem}"
        return None


@dataclass(frozen=True, slots=True)
class TableGuard:
    """Of a live supertable: names and types as DDL writes them, the timestamp first. Equal where those are.

    `keys`: columns of a composite primary key beside the timestamp. `widen`: strings may be widened and columns
    added, so that what ALTER can mend is let through.
    """

    columns: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, str], ...] = ()
    keys: frozenset[str] = frozenset()
    lossy: Lossy = "allow"
    widen: bool = False
    _columns: Mapping[str, tuple[str, ColumnRule]] = field(init=False, compare=False, repr=False)
    _tags: Mapping[str, tuple[str, ColumnRule]] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        columns = {name: (text, self._rule(name, text)) for name, text in self.columns}
        tags = {name: (text, self._rule("", text, WIDEST_TAG)) for name, text in self.tags}
        object.__setattr__(self, "_columns", columns)
        object.__setattr__(self, "_tags", tags)

    @property
    def least_bytes(self) -> int:
        """The shortest column whose length counts bytes: no shorter row can be too long for one."""
        plains = [rule.plain for _, rule in self._columns.values()]
        return min(
            (p.chars for p in plains if p.in_bytes and p.chars is not None), default=MAX_STATEMENT_BYTES
        )

    def row(self, time_column: str, columns: Sequence[str]) -> RowGuard:
        """For rows with these columns, each named once, and their time in `time_column`."""
        if problem := self._shape_problem(time_column, columns):
            return RowGuard(problem)
        found = [self._columns.get(name, _NEW) for name in columns]
        fields = tuple((name, text) for name, (text, _) in zip(columns, found, strict=True))
        rules = tuple(rule for _, rule in found)
        unsigned = frozenset(position for position, rule in enumerate(rules) if rule.unsigned)
        return RowGuard(None, fields, rules, unsigned)

    def tag_problem(self, tags: Iterable[tuple[str, Value]]) -> str | None:
        """Why no subtable can be made with these tags, or None."""
        for name, value in tags:
            found = self._tags.get(name)
            if found is None:
                if not self.widen:
                    return f"tag {name} does not exist in the supertable"
            elif problem := found[1].judge(value):
                return f"tag {name} is {found[0]}: {problem}"
        return None

    def _shape_problem(self, time_column: str, columns: Sequence[str]) -> str | None:
        first = self.columns[0][0]
        if time_column != first:
            return f"the table's time column is {first}, and not {time_column}"
        missing = [name for name in columns if name not in self._columns]
        if missing and not self.widen:
            return f"column {missing[0]} does not exist: the table has {len(self.columns)} with its timestamp"
        if missing and (total := len(missing) + len(self.columns) + len(self.tags)) > COLUMNS:
            return f"the table would have {total} columns and tags, at most {COLUMNS} are possible"
        unbound = self.keys.difference(columns)
        return f"column {min(unbound)} is part of the primary key, and is not given" if unbound else None

    def _rule(self, key: str, text: str, widest: Mapping[str, int] = WIDEST_COLUMN) -> ColumnRule:
        name = text.partition("(")[0].strip().upper()
        rule = column_rule(text, lossy=self.lossy, widest=widest.get(name, 0) if self.widen else 0)
        return replace(rule, plain=replace(rule.plain, nulls=False)) if key in self.keys else rule


_NEW = ("new", ColumnRule(lambda _: None, ANYTHING))
"""A column that ALTER adds: its type comes from the values."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Of one database and, where it is known, the table that its rows go to."""

    window: Window
    table: TableGuard | None = None

    def at(self, now_ns: int) -> "Guard":
        """The same at this time, as nanoseconds since 1970."""
        return replace(self, window=replace(self.window, now_ns=now_ns))


def _span(ticks: int, unit: int) -> str:
    """A length of time in the largest unit that leaves a number to read."""
    seconds = ticks / unit
    for name, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {name}"
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + " s"

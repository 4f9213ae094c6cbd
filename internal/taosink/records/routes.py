"""Routes: what a message becomes. The built-in one reads Record; a user's own is named in the settings."""

from collections.abc import Container, Sequence
from importlib import import_module
from typing import Protocol, cast

from taosbatch import names
from taosbatch.encoding import Encoded, Layout, Reason, Reject, Stable
from taosbatch.inference import Inference
from taosbatch.rows import Row, RowError, RowStatements
from taosink.records.codecs import Codec
from taosink.records.model import TAG, TIME_COLUMN, column
from taosink.records.record import decode


class Route(Protocol):
    """Makes a row of one message's value. Called by several threads at once.

    It raises `taosbatch.rows.RowError` for a value that it cannot use; anything else it raises counts as
    MALFORMED, and costs this one record.
    """

    def __call__(self, value: bytes) -> Row: ...


class RouteError(ValueError):
    """A route that the settings name cannot be used; the message says why."""


def load_route(name: str) -> Route:
    """Imports `module:attribute` (dots may follow the colon). RouteError where there is nothing to call."""
    module_name, colon, path = name.partition(":")
    if not (module_name and colon and path):
        raise RouteError(f"route {name!r}: write it as module:attribute, such as my_plant.routes:row")
    try:
        found: object = import_module(module_name)
    except Exception as error:
        raise RouteError(f"route {name!r}: importing {module_name} failed: {error!r}") from error
    for part in path.split("."):
        if not hasattr(found, part):
            raise RouteError(f"route {name!r}: {part!r} does not exist there")
        found = getattr(found, part)
    if not callable(found):
        raise RouteError(f"route {name!r}: it cannot be called")
    return cast(Route, found)


class RecordRoute:
    """The mapping of Record as a route: what RecordEncoder does at once, one row at a time."""

    def __init__(self, codec: Codec = "auto") -> None:
        self._codec = codec

    def __call__(self, value: bytes) -> Row:
        record = decode(value, self._codec, unsigned=True)
        return Row(
            table=record.device,
            timestamp_ns=record.timestamp_ns,
            time_column=TIME_COLUMN,
            columns=[column(position) for position in range(len(record.cols))],
            values=record.cols,
            tags=[(TAG, record.device)],
        )

    def __repr__(self) -> str:
        return f"RecordRoute(codec={self._codec!r})"


class RouteEncoder:
    """`taosbatch.encoding.Encoder` for any route. Thread-safe if the route is."""

    def __init__(self, route: Route) -> None:
        self._route = route

    def encode(self, values: Sequence[bytes], layout: Layout, known: Container[str]) -> Encoded:
        """As the contract says; `layout.codec` does not count, for the route reads the value."""
        statements = RowStatements(layout, known)
        rejects: list[Reject] = []
        for index, value in enumerate(values):
            try:
                self._add(statements, index, value)
            except RowError as error:
                rejects.append(error.reject(index))
        written, too_large = statements.finish()
        for index, size in too_large:
            detail = f"the row alone needs {size} bytes of SQL, over {layout.max_statement_bytes}"
            rejects.append(Reject(index, Reason.TOO_LARGE, detail, self._route(values[index]).table))
        return Encoded(written, sorted(rejects, key=lambda reject: reject.index))

    def infer(self, values: Sequence[bytes], layout: Layout) -> Sequence[Stable]:
        """The supertables of all rows that the route can make."""
        inference, case = Inference(), layout.names_case
        judge = RowStatements(layout, ())
        for index, value in enumerate(values):
            try:
                row = self._add(judge, index, value)
            except RowError:
                continue
            inference.see(
                row.database or layout.database,
                names.fold(row.supertable or layout.supertable, case),
                names.fold(row.time_column, case),
                [(names.fold(name, case), cell) for name, cell in zip(row.columns, row.values, strict=False)],
                [(names.fold(name, case), tag) for name, tag in row.tags],
            )
        return inference.stables()

    def _add(self, statements: RowStatements, index: int, value: bytes) -> Row:
        try:
            row = self._route(value)
            statements.add(index, row)
        except RowError:
            raise
        except Exception as error:
            # The route is somebody else's code: what it raises, or makes, costs this record and no other.
            raise RowError(Reason.MALFORMED, f"the route failed: {error!r}") from error
        return row

    def __repr__(self) -> str:
        return f"RouteEncoder({self._route!r})"

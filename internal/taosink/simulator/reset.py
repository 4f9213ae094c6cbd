"""`--reset`: the supertable dropped, with all its data, and made anew for the fleet. Never by default."""

from collections.abc import Sequence

from taosink.ports import Driver
from taosink.records.stable import device_stable
from taosink.simulator.fleet import Fleet
from taosink.taos.ddl import create_stable, qualified
from taosink.taos.errors import ErrorClass, Local, TaosError

_UNANSWERED = (Local.TIMEOUT, Local.BROKEN)


class ResetError(Exception):
    """The supertable was not made anew. `dropped` None: the answer to the DROP was lost, so nobody knows."""

    def __init__(self, text: str, *, dropped: bool | None) -> None:
        super().__init__(text)
        self.dropped = dropped


def reset_statements(fleet: Fleet, database: str, supertable: str) -> Sequence[str]:
    """The two statements. Raises ValueError for a name that TDengine cannot hold."""
    stable = device_stable(database, supertable, fleet.column_types())
    return (f"DROP STABLE IF EXISTS {qualified(database, supertable)}", create_stable(stable))


def reset_supertable(fleet: Fleet, driver: Driver, *, database: str, supertable: str) -> None:
    """Blocks for the database; the driver is the caller's to close.

    Raises ResetError, or ValueError for an impossible name.
    """
    drop, create = reset_statements(fleet, database, supertable)
    try:
        driver.execute(drop)
    except TaosError as error:
        raise not_dropped(error, database, supertable) from error
    try:
        driver.execute(create)
    except TaosError as error:
        text = (
            f"supertable {supertable!r} was dropped, with its data, and not created again: {error.answer}; "
            "run with --reset again"
        )
        raise ResetError(text, dropped=True) from error


def not_dropped(error: TaosError, database: str, supertable: str) -> ResetError:
    if error.kind is ErrorClass.SCHEMA_GAP:
        # DROP ... IF EXISTS asks for no table: what is missing is the database.
        place = f" at {error.server}" if error.server else ""
        text = (
            f"there is no database {database!r}{place}, and --reset makes supertables alone; create it "
            f"(CREATE DATABASE `{database}`), or name another by taosuri or sim.database"
        )
        return ResetError(text, dropped=False)
    if error.code in _UNANSWERED:
        text = f"supertable {supertable!r} may or may not have been dropped: {error.answer}; run with --reset again"
        return ResetError(text, dropped=None)
    return ResetError(f"supertable {supertable!r} was not dropped: {error.answer}", dropped=False)

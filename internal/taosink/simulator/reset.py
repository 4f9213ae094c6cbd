"""`--reset`: the supertable dropped, with all its data, and made anew for the fleet. Never by default."""

from collections.abc import Sequence

from taosbatch.encoding import Stable
from taosink.records.model import TAG, TIME_COLUMN, column
from taosink.simulator.fleet import Fleet
from taosink.taos.ddl import create_stable, qualified

TAG_TYPE = "VARCHAR(192)"
"""As long as a subtable's name may be, and the device is that name."""


def reset_statements(fleet: Fleet, database: str, supertable: str) -> Sequence[str]:
    """The two statements. Raises ValueError for a name that TDengine cannot hold."""
    columns = [(column(at), text) for at, text in enumerate(fleet.column_types())]
    stable = Stable(database, supertable, ((TIME_COLUMN, "TIMESTAMP"), *columns), ((TAG, TAG_TYPE),))
    return (f"DROP STABLE IF EXISTS {qualified(database, supertable)}", create_stable(stable))


def reset_supertable(fleet: Fleet, uri: str, *, database: str, supertable: str) -> None:
    """Blocks for the database. `database` may be empty where the address names one.

    Raises `taosink.taos.errors.TaosError`, or ValueError for an impossible name or address.
    """
    from taosink.taos.address import parse  # noqa: PLC0415 - a producer without --reset needs no driver
    from taosink.taos.drivers import connect  # noqa: PLC0415 - the same

    address = parse(uri)
    driver = connect(address)
    try:
        for statement in reset_statements(fleet, database or address.database, supertable):
            driver.execute(statement)
    finally:
        driver.close()

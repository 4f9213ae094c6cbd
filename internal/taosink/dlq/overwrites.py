"""Whether a letter's row is stored already: its replay would put an old reading over a newer one."""

from dataclasses import dataclass

from taosbatch.rows import RowError
from taosink.audit.readings import Readings
from taosink.audit.stored_rows import NO_TABLE
from taosink.dlq.letters import Found
from taosink.ports import Driver
from taosink.taos.ddl import quoted
from taosink.taos.errors import TaosError


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Asks the database, one statement a letter. For one thread; raises TaosError, blocks for the database."""

    driver: Driver
    readings: Readings

    def holds(self, found: Found) -> bool:
        """Whether there is a row with the letter's subtable and timestamp. False for a record of which no row
        can be made."""
        try:
            reading = self.readings.decode(found.value)
        except RowError:
            return False
        time_column = quoted(self.readings.shapes[reading.shape].time_column)
        sql = f"SELECT {time_column} FROM {reading.table} WHERE {time_column} = {reading.at}"  # noqa: S608  # names are quoted, the time is an integer
        try:
            return bool(self.driver.query(sql).rows)
        except TaosError as error:
            if error.code in NO_TABLE:
                return False
            raise

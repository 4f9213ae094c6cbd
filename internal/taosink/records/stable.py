"""The supertable that records are stored under, as it is made before any record has come. Pure."""

from collections.abc import Iterable

from taosbatch.encoding import Stable
from taosink.records.model import TAG, TIME_COLUMN, column

TAG_TYPE = "VARCHAR(192)"
"""As long as a subtable's name may be, and the device is that name."""


def device_stable(database: str, supertable: str, types: Iterable[str]) -> Stable:
    """With these column types, in the order of a record's Cols."""
    columns = tuple((column(at), text) for at, text in enumerate(types))
    return Stable(database, supertable, ((TIME_COLUMN, "TIMESTAMP"), *columns), ((TAG, TAG_TYPE),))

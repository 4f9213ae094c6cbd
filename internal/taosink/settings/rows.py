"""What a record becomes in the database: one mapping, which the consumer and the tools beside it must share."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator

from taosink.settings.names import check_name, check_route
from taosink.settings.spec import Group, setting


class TableSettings(Group):
    """Where rows go, and under which names."""

    heading: ClassVar[str] = "Tables (as the consumers have them)"

    route: Annotated[str, AfterValidator(check_route)] = setting(
        "route",
        "",
        "module:attribute of your own mapping from message to table, tags and columns.",
        shown="the device mapping",
    )
    database: Annotated[str, AfterValidator(lambda text: check_name(text, 64))] = setting(
        "taos.database", "", "Database that is written to.", shown="the address's"
    )
    supertable: Annotated[str, AfterValidator(lambda text: check_name(text, 192))] = setting(
        "taos.supertable", "stb", "Supertable that subtables are made under.", min_length=1
    )
    names_case: Literal["exact", "lower"] = setting(
        "names.case",
        "exact",
        "Names as devices write them, or folded as releases before taosink stored them.",
    )


class RowSettings(TableSettings):
    """As a tool takes it: to be given as the consumers have it."""

    heading: ClassVar[str] = "Records and tables (as the consumers have them)"

    codec: Literal["auto", "msgpack", "json"] = setting(
        "codec", "auto", "How records are encoded; auto tells by the first byte."
    )

"""Options of databases and tables: the ones with an effect are PRECISION and KEEP, the others are only shown."""

from dataclasses import dataclass, field

from . import errors
from .reader import Reader
from .tokens import END, INTEGER, STRING, VARIABLE, string_value

_NUMBER_WORDS = """
BUFFER CACHESIZE COMP DURATION FSYNC MAXROWS MINROWS PAGES PAGESIZE REPLICA SINGLE_STABLE STT_TRIGGER
TABLE_PREFIX TABLE_SUFFIX TSDB_PAGESIZE VGROUPS WAL_FSYNC_PERIOD WAL_LEVEL WAL_RETENTION_PERIOD
WAL_RETENTION_SIZE WAL_ROLL_PERIOD WAL_SEGMENT_SIZE S3_CHUNKSIZE S3_KEEPLOCAL S3_COMPACT KEEP_TIME_OFFSET
"""
_NUMBERS = frozenset(_NUMBER_WORDS.split())
_TEXTS = frozenset({"CACHEMODEL", "STRICT", "ENCRYPT_ALGORITHM"})
_MINUTES = {"m": 1, "h": 60, "d": 1440}


@dataclass(slots=True)
class DatabaseOptions:
    precision: str = ""
    keep: tuple[int, int, int] | None = None
    others: dict[str, str] = field(default_factory=dict)


def database_options(reader: Reader) -> DatabaseOptions:
    options = DatabaseOptions()
    while reader.peek().kind != END:
        name = reader.take().text.upper()
        if name == "PRECISION":
            options.precision = reader.string()
            if options.precision not in ("ms", "us", "ns"):
                raise errors.TaosError(
                    errors.INVALID_OPTION, f"Invalid option precision: {options.precision}"
                )
        elif name == "KEEP":
            options.keep = _keep(reader)
        elif name in _NUMBERS:
            sign = "-" if reader.accept("-") else ""
            options.others[name.lower()] = sign + reader.take(INTEGER, VARIABLE).text
        elif name in _TEXTS:
            options.others[name.lower()] = reader.string()
        else:
            reader.at -= 1
            raise reader.fail()
    return options


def _keep(reader: Reader) -> tuple[int, int, int]:
    values = [_minutes(reader)]
    while reader.accept(","):
        values.append(_minutes(reader))
    if len(values) > 3:
        raise errors.TaosError(errors.INVALID_OPTION, "Invalid number of keep options")
    values += [values[-1]] * (3 - len(values))
    if sorted(values) != values:
        raise errors.TaosError(errors.INVALID_OPTION, "Invalid keep value, should be keep0 <= keep1 <= keep2")
    if not 1440 <= values[0] <= values[2] <= 365_000 * 1440:
        raise errors.TaosError(errors.INVALID_OPTION, "Invalid option keep")
    return values[0], values[1], values[2]


def _minutes(reader: Reader) -> int:
    token = reader.take(INTEGER, VARIABLE)
    if token.kind == INTEGER:
        return int(token.text) * 1440
    unit = _MINUTES.get(token.text[-1].lower())
    if unit is None:
        raise errors.TaosError(errors.INVALID_OPTION, "Invalid option keep unit, only m, h, d allowed")
    return int(token.text[:-1]) * unit


def table_options(reader: Reader) -> None:
    """Read and not kept: TTL, COMMENT, SMA and the rollup options."""
    while option := reader.word("TTL", "COMMENT", "SMA", "ROLLUP", "WATERMARK", "MAX_DELAY"):
        if option == "COMMENT":
            string_value(reader.take(STRING).text)
        elif option in ("SMA", "ROLLUP"):
            reader.take("(")
            while reader.take().kind != ")":
                pass
        else:
            reader.take(INTEGER, VARIABLE)
            while reader.accept(","):
                reader.take(INTEGER, VARIABLE)

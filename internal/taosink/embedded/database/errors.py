"""TDengine's error numbers, as far as this server answers with them."""


class TaosError(Exception):
    """An answer with `code` (TDengine's low 16 bits) and `desc`; nothing of the statement has happened."""

    def __init__(self, code: int, desc: str) -> None:
        super().__init__(f"0x{code:04X}: {desc}")
        self.code = code
        self.desc = desc


INVALID_OPERATION = 0x0200
SQL_SYNTAX = 0x0216
SQL_TOO_LONG = 0x0219
USER_NOT_EXIST = 0x0351
AUTH_FAILURE = 0x0357
STABLE_EXISTS = 0x0360
STABLE_NOT_EXIST = 0x0362
TAG_EXISTS = 0x0369
TAG_NOT_EXIST = 0x036A
COLUMN_EXISTS = 0x036B
COLUMN_NOT_EXIST = 0x036C
DB_EXISTS = 0x0381
DB_NOT_EXIST = 0x0388
TABLE_EXISTS = 0x0603
TIMESTAMP_OUT_OF_RANGE = 0x060B
OTHER_STABLE = 0x061D
SYNTAX = 0x2600
INCOMPLETE = 0x2601
INVALID_COLUMN = 0x2602
TABLE_NOT_EXIST = 0x2603
WRONG_VALUE_TYPE = 0x2605
ILLEGAL_AGG = 0x2608
WRONG_ORDER_NUMBER = 0x2609
NOT_GROUP_EXPRESSION = 0x260A
NOT_SINGLE_GROUP = 0x260C
TAGS_NOT_MATCHED = 0x260D
INVALID_TAG_NAME = 0x260E
DB_NOT_SPECIFIED = 0x2616
INVALID_IDENTIFIER = 0x2617
OTHER_DATABASE = 0x2618
INVALID_OPTION = 0x2619
AGG_NESTING = 0x2627
DUPLICATED_COLUMN = 0x263C
INVALID_TAGS_LENGTH = 0x263D
INVALID_ROW_LENGTH = 0x263E
COLUMNS_NUM = 0x263F
TOO_MANY_COLUMNS = 0x2640
INVALID_FIRST_COLUMN = 0x2641
INVALID_VAR_LENGTH = 0x2642
INVALID_TAGS_NUM = 0x2643
INVALID_ALTER = 0x2649
DROP_PRIMARY_KEY = 0x264A
INVALID_MODIFY = 0x264B
INVALID_FUNCTION_NAME = 0x264D
INVALID_DROP_COL = 0x2651
VALUE_TOO_LONG = 0x2653
GET_META = 0x2662
INVALID_VARBINARY = 0x266A
FUNCTION_PARA_NUM = 0x2801
FUNCTION_PARA_TYPE = 0x2802


def near(source: str, why: str) -> TaosError:
    """The INSERT parser's own syntax error, which quotes what it stopped at."""
    return TaosError(SQL_SYNTAX, f"syntax error near '{source[:63]}' ({why})")


def syntax(source: str) -> TaosError:
    """The grammar's syntax error; also the answer to what this server does not support."""
    return TaosError(SYNTAX, f'syntax error near "{source[:63]}"' if source else "syntax error")


def incomplete() -> TaosError:
    return TaosError(INCOMPLETE, "Incomplete SQL statement")


def invalid_operation(desc: str) -> TaosError:
    return TaosError(INVALID_OPERATION, desc)


def no_table() -> TaosError:
    return TaosError(TABLE_NOT_EXIST, "Table does not exist")


def no_database() -> TaosError:
    return TaosError(DB_NOT_EXIST, "Database not exist")


def invalid_column(name: str) -> TaosError:
    return TaosError(INVALID_COLUMN, f"Invalid column name: {name}")


def too_long(name: str) -> TaosError:
    return TaosError(VALUE_TOO_LONG, f"Value too long for column/tag: {name}")

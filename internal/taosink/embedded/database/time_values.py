"""TIMESTAMP values in INSERT, which may be sums: `now + 1s`, `'2024-01-01' - 2h`."""

from . import errors
from .timestamps import duration_ticks, now_ticks, parse_integer, parse_time, today_ticks
from .tokens import INTEGER, STRING, VARIABLE, Token, insert_token, string_value


def _stamp_or_interval(token: Token, text: str, precision: str) -> tuple[int, bool] | None:
    """Ticks, and whether they are a point in time; None if the literal is neither."""
    if token.kind == VARIABLE:
        ticks = duration_ticks(text, precision)
        return None if ticks is None else (ticks, False)
    stamp: int | None
    if token.kind == "NOW" or (token.kind == STRING and text.lower() == "now"):
        stamp = now_ticks(precision)
    elif token.kind == "TODAY" or (token.kind == STRING and text.lower() == "today"):
        stamp = today_ticks(precision)
    elif token.kind == INTEGER:
        stamp = parse_integer(text)
    else:
        stamp = parse_time(text, precision)
        if stamp is None and token.kind == STRING:
            stamp = parse_integer(text)
    return None if stamp is None else (stamp, True)


def time_value(sql: str, token: Token, text: str, precision: str) -> tuple[int, int]:
    """The ticks of a time expression whose first token is `token`, and where it ends in `sql`."""
    refused = errors.near(token.text, "invalid timestamp")
    first = _stamp_or_interval(token, text, precision)
    if first is None:
        raise refused
    ticks, is_stamp = first
    pos = _after_call(sql, token.end)
    if sql[pos : pos + 1] in (",", ")"):
        if not is_stamp:
            raise refused
        return ticks, pos
    sign, _ = insert_token(sql, pos)
    if sign.kind not in ("-", "+"):
        if not is_stamp:
            raise refused
        return ticks, pos
    operand, _ = insert_token(sql, sign.end)
    operand_text = string_value(operand.text) if operand.kind == STRING else operand.text.lower()
    second = _stamp_or_interval(operand, operand_text, precision) if operand.text else None
    if second is None or len(operand_text) < 2 or second[1] == is_stamp:
        raise refused
    if sign.kind == "-":
        if second[1]:
            raise refused
        ticks -= second[0]
    else:
        ticks += second[0]
    if not -(2**63) <= ticks < 2**63:
        raise refused
    pos = _after_call(sql, operand.end)
    if sql[pos : pos + 1] not in (",", ")", ""):
        raise refused
    return ticks, pos


def _after_call(sql: str, pos: int) -> int:
    """Past blanks and the brackets of NOW()."""
    while pos < len(sql):
        if sql[pos] in " \t":
            pos += 1
        elif sql.startswith("()", pos):
            pos += 2
        else:
            break
    return pos

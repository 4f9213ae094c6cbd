"""What a SELECT says, before it is known what its names mean."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Literal:
    """`kind` is integer, float, string, bool, null or duration; `text` is the value's text, unquoted."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Name:
    qualifier: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Star:
    qualifier: str | None


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: Sequence["Expression"]


@dataclass(frozen=True, slots=True)
class Cast:
    value: "Expression"
    type: str
    length: int


@dataclass(frozen=True, slots=True)
class Unary:
    """`-` or NOT."""

    operator: str
    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic, comparison, AND, OR, LIKE, NOT LIKE."""

    operator: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class In:
    value: "Expression"
    choices: Sequence["Expression"]
    negated: bool


@dataclass(frozen=True, slots=True)
class Between:
    value: "Expression"
    low: "Expression"
    high: "Expression"
    negated: bool


@dataclass(frozen=True, slots=True)
class IsNull:
    value: "Expression"
    negated: bool


Expression = Literal | Name | Star | Call | Cast | Unary | Binary | In | Between | IsNull


@dataclass(frozen=True, slots=True)
class Item:
    """One selected expression and its title: the alias, else the expression's text."""

    value: Expression
    title: str


@dataclass(frozen=True, slots=True)
class TableSource:
    database: str | None
    name: str
    alias: str


@dataclass(frozen=True, slots=True)
class SubQuery:
    select: "Select"
    alias: str


@dataclass(frozen=True, slots=True)
class Order:
    value: Expression
    descending: bool
    nulls: str


@dataclass(frozen=True, slots=True)
class Select:
    """`grouped_by_partition` tells PARTITION BY from GROUP BY: it may select what is constant in a group."""

    items: Sequence[Item]
    distinct: bool
    source: TableSource | SubQuery | None
    where: Expression | None
    groups: Sequence[Expression]
    by_partition: bool
    having: Expression | None
    orders: Sequence[Order]
    limit: int | None
    offset: int

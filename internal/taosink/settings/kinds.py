"""How the values of settings are written: Go's durations and booleans, sizes, lists, maps, offsets."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from taosink.settings.redact import HIDDEN, is_secret_property

_PER_SECOND = {"ns": 1e9, "us": 1e6, "µs": 1e6, "μs": 1e6, "ms": 1e3, "s": 1.0, "m": 1 / 60, "h": 1 / 3600}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE | re.ASCII)
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_BROKER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_PROPERTY = re.compile(r"[a-z][a-z0-9._]*")

StartOffset = Literal["earliest", "latest"] | int | datetime


class Properties(Mapping[str, str]):
    """An immutable map of librdkafka properties whose repr hides the values that are secrets."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, str] | None = None) -> None:
        self._items = dict(items or {})

    def __getitem__(self, key: str) -> str:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        shown = {k: HIDDEN if is_secret_property(k) else v for k, v in self._items.items()}
        return f"Properties({shown})"


def parse_duration(value: object) -> object:
    """Seconds of a Go duration (`50us`, `200ms`, `1m30s`, `0`). Numbers are taken as seconds already."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    negative, body = text.startswith("-"), text.lstrip("+-")
    if body == "0":
        return 0.0
    parts = _DURATION.findall(body)
    if not parts or "".join(n + u for n, u in parts) != body:
        raise ValueError("is no duration; write a number with its unit, such as 200ms, 5s or 1m30s")
    seconds = sum(float(n) / _PER_SECOND[unit] for n, unit in parts)
    return -seconds if negative else seconds


def parse_size(value: object) -> object:
    """Bytes of a size: `256MiB` (also `256Mi`), `64MB` or plain bytes."""
    if not isinstance(value, str):
        return value
    found = _SIZE.fullmatch(value.strip())
    if found is None or (found[3] and not found[2]):
        raise ValueError("is no size; write bytes or a number with its unit, such as 256MiB or 64MB")
    base = 1024 if found[3] else 1000
    return int(float(found[1]) * base ** _POWER[found[2].lower()])


def parse_bool(value: object) -> object:
    """A boolean in the forms that Go's flags take."""
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    if isinstance(value, bool):
        return value
    raise ValueError("is neither true nor false; write true or false")


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Iterable):
        return [str(v) for v in value]
    raise ValueError("is no list of texts")


def parse_list(value: object) -> tuple[str, ...]:
    """Comma-separated texts, or several of them; empty parts are dropped."""
    return tuple(part for text in _texts(value) for raw in text.split(",") if (part := raw.strip()))


def parse_brokers(value: object) -> tuple[str, ...]:
    """A list of host:port, at least one."""
    brokers = parse_list(value)
    if not brokers:
        raise ValueError("names no broker; write host:port, several separated by commas")
    for broker in brokers:
        found = _BROKER.fullmatch(broker)
        if found is None or not 1 <= int(found[2]) <= 65535:
            raise ValueError(f"{broker!r} is not host:port; write for example kafka:9092")
    return brokers


def check_topic(name: str) -> str:
    """The name itself, if Kafka takes it as a topic's name."""
    if not _TOPIC.fullmatch(name) or name in {".", ".."}:
        raise ValueError(f"{name!r} is no topic's name; Kafka takes up to 249 letters, digits and . _ -")
    return name


def parse_topics(value: object) -> tuple[str, ...]:
    """A list of topics, or one pattern beginning with `^` (which may hold commas)."""
    texts = _texts(value)
    if len(texts) == 1 and texts[0].strip().startswith("^"):
        return (texts[0].strip(),)
    topics = tuple(dict.fromkeys(parse_list(texts)))
    if not topics:
        raise ValueError("names no topic")
    if any(t.startswith("^") for t in topics):
        raise ValueError("mixes a pattern with other topics; write one pattern: ^(one|other)$")
    for topic in topics:
        check_topic(topic)
    return topics


def parse_properties(value: object) -> Properties:
    """`k=v,k=v`, several such texts, or a mapping; a part without `=` belongs to the value before it."""
    if isinstance(value, Properties):
        return value
    if isinstance(value, Mapping):
        return Properties({str(k): str(v) for k, v in value.items()})
    items: dict[str, str] = {}
    for text in _texts(value):
        items |= _properties_of(text)
    return Properties(items)


def _properties_of(text: str) -> dict[str, str]:
    items: dict[str, str] = {}
    last = ""
    for part in text.split(",") if text.strip() else []:
        key, equals, rest = part.partition("=")
        key = key.strip()
        if equals and _PROPERTY.fullmatch(key):
            last = key
            items[last] = rest
        elif last:
            items[last] += "," + part
        else:
            # The part may be a value whose key is missing, a password's tail for one: it is not repeated.
            raise ValueError("holds a part that is not name=value; write for example client.id=edge-7")
    return items


def parse_offset(value: object) -> object:
    """Where to start: earliest (-2), latest (-1), an offset, or an RFC 3339 time."""
    if isinstance(value, datetime):
        return _aware(value)
    text = str(value).strip()
    named = {"earliest": "earliest", "-2": "earliest", "latest": "latest", "-1": "latest"}.get(text.lower())
    if named is not None:
        return named
    if re.fullmatch(r"\d{1,19}", text, re.ASCII) and int(text) < 2**63:
        return int(text)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            "is no place to start; write earliest, latest, an offset or a time such as 2025-01-31T08:00:00Z"
        ) from None
    return _aware(when)


def _aware(when: datetime) -> datetime:
    if when.tzinfo is None:
        raise ValueError("is a time without a zone; end it with Z or an offset such as +08:00")
    return when


def parse_path(value: object) -> object:
    """A path, or None where nothing is given."""
    if value in {None, ""}:
        return None
    return Path(str(value))


Seconds = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, le=10**9, allow_inf_nan=False)]
SecondsOrZero = Annotated[float, BeforeValidator(parse_duration), Field(ge=0, le=10**9, allow_inf_nan=False)]
Size = Annotated[int, BeforeValidator(parse_size), Field(ge=1, lt=2**63)]
Flag = Annotated[bool, BeforeValidator(parse_bool)]
Count = Annotated[int, Field(ge=1, lt=2**63)]
CountOrZero = Annotated[int, Field(ge=0, lt=2**63)]
Brokers = Annotated[tuple[str, ...], BeforeValidator(parse_brokers)]
Topics = Annotated[tuple[str, ...], BeforeValidator(parse_topics)]
PropertyMap = Annotated[Properties, BeforeValidator(parse_properties)]
Offset = Annotated[StartOffset, BeforeValidator(parse_offset)]
OptionalPath = Annotated[Path | None, BeforeValidator(parse_path)]


def optional(parse: Any) -> BeforeValidator:
    """The same reader where an empty text means 'not given'."""
    return BeforeValidator(lambda value: None if value is None or value == "" else parse(value))


OptionalSeconds = Annotated[Annotated[float, Field(gt=0, le=10**9)] | None, optional(parse_duration)]
OptionalFlag = Annotated[bool | None, optional(parse_bool)]


def parse_start(value: object) -> object:
    """A time, or None for now."""
    if value is None or value in {"", "now"}:
        return None
    if isinstance(value, datetime):
        return _aware(value)
    try:
        when = datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError("is no time; write now or an RFC 3339 time such as 2025-01-31T08:00:00Z") from None
    return _aware(when)

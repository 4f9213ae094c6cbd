"""A small part of YAML, for files of settings: maps by indentation, scalars, and lists of scalars. Pure."""

import re
from collections.abc import Iterator
from typing import Any

_KEY = re.compile(r"""(?:"([^"\\]*)"|'([^']*)'|([A-Za-z0-9_][^\s:#'"{}\[\],&*!|>%@`]*))\s*:(?:\s+(.*))?""")
_ITEM = re.compile(r"-(?:\s+(.*))?")
_QUOTED = re.compile(r""""((?:[^"\\]|\\["\\/])*)"|'((?:[^']|'')*)'""")
_FOREIGN = tuple("&*!|>%@`{?")

Line = tuple[int, int, str]
"""Number, indentation, and the text without a comment."""


class YamlError(ValueError):
    """The text is no YAML, or more of it than is read here."""


def parse_yaml(text: str) -> dict[str, Any]:
    """The document, whose root is a map. Values are texts, as settings are written; lists hold texts.

    Raises YamlError, which names the line: anchors, tags, several documents and block texts are not read.
    """
    lines = list(_lines(text))
    if not lines:
        return {}
    found, rest = _block(lines, 0, lines[0][1])
    if rest < len(lines):
        raise YamlError(f"line {lines[rest][0]}: the indentation fits nothing above it")
    if not isinstance(found, dict):
        raise YamlError("the document is a list where settings belong")
    return found


def _lines(text: str) -> Iterator[Line]:
    for number, line in enumerate(text.splitlines(), 1):
        body = line.lstrip(" ")
        if not body.strip() or body.startswith("#") or (body.rstrip() == "---" and number == 1):
            continue
        if body.startswith("\t"):
            raise YamlError(f"line {number}: is indented by a tab; YAML takes spaces")
        if body.startswith(("---", "...")) and body == line:
            raise YamlError(f"line {number}: a second document begins; one is read")
        yield number, len(line) - len(body), body.rstrip()


def _block(lines: list[Line], at: int, indent: int) -> tuple[Any, int]:
    """The map or list that begins here, and the line behind it."""
    if _ITEM.fullmatch(lines[at][2]):
        return _list(lines, at, indent)
    found: dict[str, Any] = {}
    while at < len(lines) and lines[at][1] == indent:
        number, _, body = lines[at]
        match = _KEY.fullmatch(body)
        if match is None:
            raise YamlError(f"line {number}: is no `name: value`")
        double, single, plain, rest = match.groups()
        key = next(k for k in (double, single, plain) if k is not None)
        if key in found:
            raise YamlError(f"line {number}: {key} stands twice")
        value = _uncommented(rest or "", number)
        at += 1
        if value:
            found[key] = _value(value, number)
        elif at < len(lines) and (lines[at][1] > indent or _is_item_of(lines[at], indent)):
            found[key], at = _block(lines, at, lines[at][1])
        else:
            found[key] = ""
    return found, at


def _is_item_of(line: Line, indent: int) -> bool:
    # A list may stand as far left as its name.
    return line[1] == indent and _ITEM.fullmatch(line[2]) is not None


def _list(lines: list[Line], at: int, indent: int) -> tuple[list[str], int]:
    found: list[str] = []
    while at < len(lines) and lines[at][1] == indent and (item := _ITEM.fullmatch(lines[at][2])):
        number = lines[at][0]
        value = _value(_uncommented(item[1] or "", number), number)
        if isinstance(value, list) or _KEY.fullmatch(item[1] or ""):
            raise YamlError(f"line {number}: a list holds single values here")
        found.append(value)
        at += 1
    return found, at


def _uncommented(text: str, number: int) -> str:
    text = text.strip()
    if text[:1] in ('"', "'"):
        match = _QUOTED.match(text)
        if match is None or text[match.end() :].strip()[:1] not in ("", "#"):
            raise YamlError(f"line {number}: a quoted text does not end")
        return match[0]
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()


def _value(text: str, number: int) -> str | list[str]:
    if text.startswith("["):
        if not text.endswith("]") or "[" in text[1:] or '"' in text or "'" in text:
            raise YamlError(f"line {number}: a list in brackets holds plain values on one line")
        return [part for raw in text[1:-1].split(",") if (part := raw.strip())]
    if match := _QUOTED.fullmatch(text):
        double, single = match.groups()
        return re.sub(r"\\(.)", r"\1", double) if double is not None else single.replace("''", "'")
    if text.startswith(_FOREIGN):
        raise YamlError(f"line {number}: {text[0]} begins a part of YAML that is not read here")
    return "" if text in ("~", "null") else text

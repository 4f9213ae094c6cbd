"""WKT to WKB, as GEOS writes it: little-endian, two or three dimensions."""

import re
import struct
from collections.abc import Callable

_KINDS = {
    "POINT": 1,
    "LINESTRING": 2,
    "POLYGON": 3,
    "MULTIPOINT": 4,
    "MULTILINESTRING": 5,
    "MULTIPOLYGON": 6,
    "GEOMETRYCOLLECTION": 7,
}
_TOKEN = re.compile(r"\s*([A-Za-z]+|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[(),])")


class _BadShapeError(Exception):
    pass


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        pos = 0
        while text[pos:].strip():
            found = _TOKEN.match(text, pos)
            if found is None:
                raise _BadShapeError
            self._tokens.append(found.group(1).upper())
            pos = found.end()
        self._at = 0

    def peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise _BadShapeError
        self._at += 1
        return token

    def geometry(self) -> bytes:
        kind = _KINDS.get(self.take(), 0)
        if not kind:
            raise _BadShapeError
        if self.peek() == "EMPTY":
            self.take()
            body = struct.pack("<dd", *[float("nan")] * 2) if kind == 1 else struct.pack("<I", 0)
            return struct.pack("<BI", 1, kind) + body
        return struct.pack("<BI", 1, kind) + self._body(kind)

    def _body(self, kind: int) -> bytes:
        if kind == 1:
            self.take("(")
            point = self._point()
            self.take(")")
            return point
        if kind == 2:
            return self._points(2)
        if kind == 3:
            return self._list(lambda: self._points(4, closed=True))
        if kind == 7:
            return self._list(self.geometry)
        inner = {4: self._multipoint, 5: lambda: self._wrapped(2), 6: lambda: self._wrapped(3)}[kind]
        return self._list(inner)

    def _wrapped(self, kind: int) -> bytes:
        return struct.pack("<BI", 1, kind) + self._body(kind)

    def _multipoint(self) -> bytes:
        if self.peek() == "(":
            return self._wrapped(1)
        return struct.pack("<BI", 1, 1) + self._point()

    def _list(self, item: Callable[[], bytes]) -> bytes:
        self.take("(")
        parts = [item()]
        while self.peek() == ",":
            self.take()
            parts.append(item())
        self.take(")")
        return struct.pack("<I", len(parts)) + b"".join(parts)

    def _points(self, least: int, *, closed: bool = False) -> bytes:
        self.take("(")
        points = [self._point()]
        while self.peek() == ",":
            self.take()
            points.append(self._point())
        self.take(")")
        if len(points) < least or (closed and points[0] != points[-1]):
            raise _BadShapeError
        return struct.pack("<I", len(points)) + b"".join(points)

    def _point(self) -> bytes:
        try:
            return struct.pack("<dd", float(self.take()), float(self.take()))
        except ValueError:
            raise _BadShapeError from None


def parse_wkt(text: str) -> bytes | None:
    """WKB of a two-dimensional WKT text; None if it is none."""
    try:
        reader = _Reader(text)
        data = reader.geometry()
    except _BadShapeError:
        return None
    return None if reader.peek() else data

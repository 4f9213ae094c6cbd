"""Where TDengine is: the address forms that users write, read into one value."""

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

Kind = Literal["native", "rest"]

NATIVE_PORT = 6030
REST_PORT = 6041
DEFAULT_USER = "root"
DEFAULT_PASSWORD = "taosdata"  # noqa: S105 - TDengine's published default login, not a secret

_FORMS = "root:PASSWORD@tcp(host:6030)/db, taos://user:PASSWORD@host:6030/db or http(s)://user:PASSWORD@host:6041/db"
_GO_FORM = re.compile(
    r"(?:(?P<login>.*?)(?:@/|[@/]))?(?P<protocol>[A-Za-z]+)\((?P<place>[^()]*)\)(?:/(?P<database>[^/?]*))?(?:\?.*)?",
    re.DOTALL,
)
_SCHEMES: dict[str, tuple[Kind, bool]] = {
    "taos": ("native", False),
    "tcp": ("native", False),
    "http": ("rest", False),
    "https": ("rest", True),
    "taos+http": ("rest", False),
    "taos+https": ("rest", True),
}
_BAD_DATABASE = re.compile(r"[\s`'\"./\\;\x00-\x1f]")
_DATABASE_LIMIT = 64
_PORT_LIMIT = 65_535


@dataclass(frozen=True, slots=True)
class Address:
    """One TDengine endpoint. Hashable; neither `repr` nor `shown` holds the password."""

    kind: Kind
    host: str
    port: int
    user: str = DEFAULT_USER
    password: str = field(default=DEFAULT_PASSWORD, repr=False)
    database: str = ""
    tls: bool = False

    @property
    def shown(self) -> str:
        """The address for people and logs: no password."""
        scheme = "taos" if self.kind == "native" else "https" if self.tls else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{self.user}@{host}:{self.port}/{self.database}"


def parse(uri: str) -> Address:
    """Reads `user:password@tcp(host:port)/db` (`/` for `@` too, as the Go driver's users write it; `http` and
    `https` for `tcp`), `taos://` or `http(s)://` URLs; user and password are percent-decoded.

    Raises ValueError, whose text never holds a password.
    """
    text = uri.strip()
    if not text:
        raise ValueError(f"the TDengine address is empty; write {_FORMS}")
    return _parse_url(text) if "://" in text else _parse_go(text)


def _parse_go(text: str) -> Address:
    match = _GO_FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"this is no TDengine address; write {_FORMS}")
    user, password = _login(match["login"])
    host, port = _place(match["place"])
    return _address(
        match["protocol"], host, port, user=user, password=password, database=match["database"] or ""
    )


def _login(text: str | None) -> tuple[str, str]:
    """The part before `@tcp(...)`; the password is taken as it stands where it holds no percent escape."""
    if text is None:
        return DEFAULT_USER, DEFAULT_PASSWORD
    user, colon, password = text.partition(":")
    return unquote(user) or DEFAULT_USER, unquote(password) if colon else DEFAULT_PASSWORD


def _place(text: str) -> tuple[str, int | None]:
    try:
        split = urlsplit(f"//{text}")
        return split.hostname or "", split.port
    except ValueError:
        raise ValueError("the TDengine address has no usable host:port between its brackets") from None


def _parse_url(text: str) -> Address:
    try:
        split = urlsplit(text)
        port = split.port
    except ValueError:
        raise ValueError(_unusable_url()) from None
    user, password = _url_login(split)
    return _address(
        split.scheme,
        split.hostname or "",
        port,
        user=user,
        password=password,
        database=split.path.strip("/"),
    )


def _unusable_url() -> str:
    # urlsplit's own words would quote the text that follows the last colon, which may be the password.
    return (
        "the TDengine address has no usable host and port; in user and password write the characters"
        " / ? # @ : % as %2F %3F %23 %40 %3A %25"
    )


def _url_login(split: SplitResult) -> tuple[str, str]:
    user = unquote(split.username or "") or DEFAULT_USER
    return user, unquote(split.password) if split.password is not None else DEFAULT_PASSWORD


def _address(scheme: str, host: str, port: int | None, *, user: str, password: str, database: str) -> Address:
    known = _SCHEMES.get(scheme.lower())
    if known is None:
        raise ValueError(f"the TDengine address has an unknown scheme; write {_FORMS}")
    kind, tls = known
    if not host:
        raise ValueError(f"the TDengine address names no host; write {_FORMS}")
    if port is None:
        port = NATIVE_PORT if kind == "native" else REST_PORT
    if not 0 < port <= _PORT_LIMIT:
        raise ValueError("the TDengine address has a port outside 1-65535")
    name = unquote(database)
    if len(name.encode()) > _DATABASE_LIMIT or _BAD_DATABASE.search(name):
        raise ValueError(
            "the TDengine address has an unusable database name (1-64 bytes, no blanks, quotes, dots)"
        )
    if "\x00" in user or "\x00" in password:
        raise ValueError("the TDengine address has a NUL character in its user or password")
    return Address(kind, host, port, user, password, name, tls)

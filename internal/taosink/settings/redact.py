"""What is a secret inside other texts, and how texts are freed of secrets."""

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

HIDDEN = "***"
_SHORTEST = 4  # a shorter secret would blank out half of every line, and protects nothing
_SECRET_PROPERTY = re.compile(r"password|secret|token|jaas|\.pem$|credential|sasl\.oauthbearer\.config$")
_URL = re.compile(r".*?://(?P<login>.*)@", re.DOTALL)
_GO = re.compile(r"(?:(?P<login>.*?)(?:@/|[@/]))?[A-Za-z]+\([^()]*\)", re.DOTALL)
_QUERY = re.compile(r"[?&](?:token|password)=([^&#]*)", re.IGNORECASE)


def is_secret_property(name: str) -> bool:
    """True where a librdkafka property of this name holds a secret."""
    return _SECRET_PROPERTY.search(name.lower()) is not None


def uri_secrets(uri: str) -> tuple[str, ...]:
    """The password and tokens inside a database address, as written and unquoted; all of it if unreadable."""
    found = _URL.match(uri) if "://" in uri else _GO.match(uri)
    if found is None and "://" not in uri:
        return (uri,) if uri else ()
    login = (found["login"] or "") if found else ""
    texts = [login.partition(":")[2], *_QUERY.findall(uri)]
    return tuple(dict.fromkeys(form for text in texts if text for form in (text, unquote(text))))


class Redactor:
    """Replaces known secrets in texts. Immutable and thread-safe; its repr tells how many it knows."""

    __slots__ = ("_pattern", "_size")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {s for s in secrets if len(s) >= _SHORTEST}
        forms = {form for s in known for form in (s, quote(s, safe=""), quote(s), repr(s)[1:-1])}
        self._size = len(known)
        # Longest first: a secret that contains another must not leave its rest behind.
        texts = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, texts))) if texts else None

    def __call__(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)

    def __repr__(self) -> str:
        return f"Redactor(secrets={self._size})"

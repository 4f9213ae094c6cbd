"""Files that settings name: whether they can be read or written, and hold what they should."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from taosink.settings.rules import Faults, Values


def why_unreadable(path: Path) -> str:
    """Empty where it can be read. Blocks for the file."""
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def why_unwritable(path: Path) -> str:
    """Empty where a file of this name can be made or written anew, by a new one in its place too."""
    folder = path.parent
    if path.is_dir():
        return "it is a folder; name a file in it"
    if not folder.is_dir():
        return f"there is no folder {folder}; make it, or name another"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"this user may not write to {folder}, or it is mounted read-only; mend that, or name another"
    if path.exists() and not os.access(path, os.W_OK):
        return "this user may not write to it; mend that, or name another"
    return ""


def why_no_folder(path: Path) -> str:
    """Empty where files can be made in it."""
    if not path.is_dir():
        return "is no folder; make it, or name another"
    if not os.access(path, os.W_OK | os.X_OK):
        return "this user may not write there, or it is mounted read-only; mend that, or name another"
    return ""


def authorities(name: str, *, needs: Callable[[Values], bool]) -> Callable[[Values], Faults]:
    """The check of a setting that names a file of certificates that are trusted, where it `needs` one."""

    def check(values: Values) -> Faults:
        path: Path | None = values[name]
        if path is None or not needs(values) or why_unreadable(path):
            return
        # Lazily: most processes speak no TLS.
        import ssl  # noqa: PLC0415

        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except ssl.SSLError:
            yield (
                name,
                "holds no certificate in PEM form; give the authority's certificate (BEGIN CERTIFICATE)",
            )

    return check


def certificate(
    cert: str, key: str, password: str, *, needs: Callable[[Values], bool]
) -> Callable[[Values], Faults]:
    """The check of a client's certificate and its key, by the names of their settings."""

    def check(values: Values) -> Faults:
        paths: tuple[Any, Any] = values[cert], values[key]
        if None in paths or not needs(values) or any(map(why_unreadable, paths)):
            return
        secret = values[password].get_secret_value()
        held = [path.read_bytes() for path in paths]
        if b"BEGIN CERTIFICATE" not in held[0]:
            yield cert, "holds no certificate in PEM form (BEGIN CERTIFICATE)"
        elif b"PRIVATE KEY-----" not in held[1]:
            yield key, "holds no private key in PEM form (BEGIN PRIVATE KEY)"
        elif b"ENCRYPTED" in held[1] and not secret:
            yield password, f"is needed: the key in {paths[1]} is encrypted"
        else:
            yield from _pair(cert, key, paths, secret)

    return check


def _pair(cert: str, key: str, paths: tuple[Path, Path], secret: str) -> Faults:
    # Lazily, as above.
    import ssl  # noqa: PLC0415

    try:
        # Without a function OpenSSL would ask for the password on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(*paths, password=lambda: secret)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            yield key, f"is the key of another certificate than {paths[0]}; give the two that belong together"
        elif secret:
            yield key, f"cannot be used: its password is wrong, or it is damaged ({error.reason or 'no PEM'})"
        else:
            yield cert, f"and {key} cannot be used: one of them is damaged ({error.reason or 'no PEM'})"

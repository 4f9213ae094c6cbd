"""The settings of `taosink token`."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, SecretStr

from taosink.settings.connection import CommandSettings
from taosink.settings.kinds import Flag, OptionalPath, parse_duration, parse_start
from taosink.settings.spec import Group, setting

_DAYS = re.compile(r"(\d{1,6}(?:\.\d+)?)(d|w)", re.ASCII)


def parse_expiry(value: object) -> object:
    """From now on (`30d`, `12h`, `2w`), or a time with its zone."""
    if not isinstance(value, str):
        return value
    if found := _DAYS.fullmatch(value.strip()):
        return timedelta(days=float(found[1]) * (7 if found[2] == "w" else 1))
    try:
        seconds = parse_duration(value)
    except ValueError:
        try:
            return parse_start(value)
        except ValueError:
            raise ValueError("is no expiry; write 30d, 12h or a time such as 2030-01-31T08:00:00Z") from None
    if not isinstance(seconds, float) or seconds <= 0:
        raise ValueError("is in the past: the token would let nobody in")
    return timedelta(seconds=seconds)


Expiry = Annotated[timedelta | datetime, BeforeValidator(parse_expiry)]


class TokenGroup(Group):
    """What is made or explained. One of device, devices-file, check, hash and new-key."""

    heading: ClassVar[str] = "Tokens and secrets"

    key_file: OptionalPath = setting(
        "ingress.token-key-file",
        None,
        "File with the keys of tokens: id: secret a line, the first signs.",
        kind="file",
        reads=True,
    )
    device: str = setting("token.device", "", "Device that the token is for.", short="device")
    devices: OptionalPath = setting(
        "token.devices-file",
        None,
        "File with a device a line: prints each with its token, divided by a tab.",
        kind="file",
        short="devices-file",
        reads=True,
    )
    expires: Expiry = setting(
        "token.expires", "30d", "When tokens end: 30d, 12h, or a time with its zone.", short="expires"
    )
    check: SecretStr = setting(
        "token.check",
        "",
        "Explains this token (- reads it from standard input) and tells whether it is good.",
        secret=True,
        short="check",
    )
    hash: Flag = setting(
        "token.hash",
        False,
        "Reads a secret from standard input and prints the form in which a file of secrets keeps it.",
        kind="bool",
        short="hash",
    )
    hash_form: Literal["scrypt", "sha256"] = setting(
        "token.hash-form",
        "scrypt",
        "scrypt withstands guessing and takes 16 MiB a login; sha256 is for long random secrets.",
        short="hash-form",
    )
    new_key: Flag = setting(
        "token.new-key", False, "Prints a new line for the file of keys.", kind="bool", short="new-key"
    )

    def ends(self, now: datetime) -> datetime:
        """When tokens that are made now end."""
        return self.expires if isinstance(self.expires, datetime) else now.astimezone(UTC) + self.expires


class TokenSettings(CommandSettings):
    """Everything that `taosink token` can be told."""

    token: TokenGroup = TokenGroup()

"""The settings of the consumer's status listener, and of what it calls healthy."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, SecretStr

from taosink.observe.listen_rule import SHORTEST_TOKEN, parse_address
from taosink.settings.kinds import Seconds
from taosink.settings.spec import Group, setting


def check_listen(text: str) -> str:
    if text:
        parse_address(text)
    return text


def check_token(token: SecretStr) -> SecretStr:
    if 0 < len(token.get_secret_value()) < SHORTEST_TOKEN:
        raise ValueError(f"is shorter than {SHORTEST_TOKEN} characters: anybody could try them all")
    return token


class StatusSettings(Group):
    """Where probes, metrics and the status page are answered."""

    heading: ClassVar[str] = "Status"

    listen: Annotated[str, AfterValidator(check_listen)] = setting(
        "status.listen",
        "127.0.0.1:0",
        "Address for probes, metrics and status; 0 picks a free one (see the log), empty is none.",
    )
    token: Annotated[SecretStr, AfterValidator(check_token)] = setting(
        "status.token",
        "",
        "Token for all but probes and metrics; needed where others than this machine can connect.",
        secret=True,
    )
    no_progress: Seconds = setting(
        "health.no-progress",
        "120s",
        "Time with records to read and none stored after which the consumer is unhealthy.",
        kind="duration",
    )

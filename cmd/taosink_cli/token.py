"""`taosink token`."""

from collections.abc import Sequence

from taosink.settings.token import TokenSettings
from taosink_cli.main import Call
from taosink_cli.start import start


def main(arguments: Sequence[str], call: Call) -> int:
    loaded = start(TokenSettings, arguments, call)
    # After the flags: help needs none of it.
    from taosink.ingress.auth.issue import run_token  # noqa: PLC0415

    return run_token(loaded.settings.token)

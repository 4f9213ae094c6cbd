"""`taosink init`."""

from collections.abc import Sequence

from taosink.settings.init import InitSettings
from taosink_cli.main import Call
from taosink_cli.start import start


def main(arguments: Sequence[str], call: Call) -> int:
    loaded = start(InitSettings, arguments, call)
    # After the flags: help and a wrong setting are answered without loading the Kafka client.
    from taosink.setup.app import run_init  # noqa: PLC0415

    return run_init(loaded.settings)

"""`taosink consumer`."""

from collections.abc import Sequence

from taosink.config import ConsumerSettings
from taosink_cli.main import Call
from taosink_cli.start import start


def main(arguments: Sequence[str], call: Call) -> int:
    loaded = start(ConsumerSettings, arguments, call)
    # After the flags: help and a wrong setting are answered without loading the Kafka client.
    from taosink.app import run_consumer  # noqa: PLC0415

    return run_consumer(loaded.settings)

"""`taosink ingress`."""

from collections.abc import Sequence

from taosink.config import IngressSettings
from taosink_cli.main import Call
from taosink_cli.start import start


def main(arguments: Sequence[str], call: Call) -> int:
    loaded = start(IngressSettings, arguments, call)
    # After the flags: help and a wrong setting are answered without loading the Kafka client.
    from taosink.ingress.app import run_ingress  # noqa: PLC0415

    return run_ingress(loaded.settings)

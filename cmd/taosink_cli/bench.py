"""`taosink bench ingress`: load on a gateway, and what it costs."""

import ssl
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from taosink.config import LoadSettings
from taosink_cli.main import Call
from taosink_cli.start import start

if TYPE_CHECKING:
    from taosink.load.options import LoadOptions, TargetOptions

LAUNCHER = (sys.executable, "-m", "taosink_cli")


def main(arguments: Sequence[str], call: Call) -> int:
    settings = start(LoadSettings, arguments, call).settings
    # After the flags: help and a wrong setting are answered without loading the Kafka client.
    from taosink.load.run import run_load  # noqa: PLC0415
    from taosink.tools import fail  # noqa: PLC0415

    try:
        target = target_options(settings)
    except (OSError, ValueError) as error:  # a file of keys or authorities
        return fail(call.command, error)
    return run_load(load_options(settings), target)


def load_options(settings: LoadSettings) -> "LoadOptions":
    """The tool's own terms."""
    from taosink.load.options import LoadOptions  # noqa: PLC0415 -- wanted here alone

    given = settings.load
    return LoadOptions(
        connections=given.connections,
        mode=given.mode,
        acks=("kafka", "stored") if given.ack == "both" else (given.ack,),
        batch=given.batch,
        rate=given.rate,
        in_flight=given.in_flight,
        warmup=given.warmup,
        duration=given.duration,
        connect_rate=given.connect_rate,
        patience=given.patience,
    )


def target_options(settings: LoadSettings) -> "TargetOptions":
    """Raises OSError or ValueError for a file that cannot be used."""
    from taosdevice.link import Address  # noqa: PLC0415 -- wanted here alone
    from taosink.load.options import TargetOptions  # noqa: PLC0415 -- the same
    from taosink.simulator.passes import tokens_by_key  # noqa: PLC0415 -- the same

    given = settings.target
    tls = None if given.ca is None else ssl.create_default_context(cafile=str(given.ca))
    return TargetOptions(
        launcher=LAUNCHER,
        address=Address.parse(given.url, tls) if given.url else None,
        pid=given.pid,
        token=None if given.key_file is None else tokens_by_key(given.key_file),
        brokers=",".join(given.brokers),
        topic=given.topic,
        consumer=settings.load.ack != "kafka" and settings.load.mode != "idle",
        report=settings.load.outcome,
    )

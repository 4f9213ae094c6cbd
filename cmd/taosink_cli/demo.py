"""`taosink demo`: everything on this machine, and an audit of what was stored."""

import sys
from collections.abc import Sequence

from taosink.config import DemoSettings
from taosink_cli.main import Call
from taosink_cli.start import start

LAUNCHER = (sys.executable, "-m", "taosink_cli")


def main(arguments: Sequence[str], call: Call) -> int:
    settings = start(DemoSettings, arguments, call).settings.demo
    # After the flags: help is answered without loading the Kafka client.
    from taosink.demo.options import DemoOptions  # noqa: PLC0415
    from taosink.demo.run import run  # noqa: PLC0415

    options = DemoOptions(
        launcher=LAUNCHER,
        records=settings.records,
        tables=settings.tables,
        partitions=settings.partitions,
        consumers=settings.consumers,
        devices=settings.devices,
        poison=settings.poison,
        seed=settings.seed,
        keep=settings.keep,
        report=settings.verdict,
        patience=settings.patience,
    )
    return run(options)

"""`taosink producer`."""

import ssl
import time
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from taosink.config import ProducerSettings
from taosink.settings.producer import MOST_AT_A_TIME
from taosink_cli.main import Call
from taosink_cli.start import start

if TYPE_CHECKING:
    from taosink.simulator.options import ProducerOptions
    from taosink.simulator.through import ThroughOptions


def main(arguments: Sequence[str], call: Call) -> int:
    loaded = start(ProducerSettings, arguments, call)
    # After the flags: help and a wrong setting are answered without loading the Kafka client.
    from taosink.simulator.app import run_producer  # noqa: PLC0415
    from taosink.tools import fail  # noqa: PLC0415

    try:
        options = producer_options(loaded.settings)
    except (OSError, ValueError) as error:  # a file of keys, tokens or authorities
        return fail("producer", error)
    return run_producer(options)


def producer_options(settings: ProducerSettings, *, now_ns: int | None = None) -> "ProducerOptions":
    """The simulator's own terms. `now_ns` is the first reading's time where `sim.start` gives none."""
    from taosink.clients import (  # noqa: PLC0415 -- it loads the Kafka client
        kafka_properties,
        taos_address,
        taos_driver,
    )
    from taosink.simulator.fleet import FleetSettings  # noqa: PLC0415 -- wanted here alone
    from taosink.simulator.options import ProducerOptions  # noqa: PLC0415 -- the same

    output, fleet, kafka, backlog = settings.output, settings.fleet, settings.kafka, settings.backlog
    return ProducerOptions(
        brokers=",".join(kafka.brokers),
        topic=output.topic,
        fleet=FleetSettings(
            table_prefix=fleet.prefix,
            tables=fleet.tables,
            records_per_table=max(fleet.records_per_table, -(-output.records // fleet.tables)),
            columns=fleet.columns_in(output.shape),
            bytes_per_column=fleet.bytes_per_column,
            seed=fleet.seed,
            start_ns=(time.time_ns() if now_ns is None else now_ns)
            if fleet.start is None
            else _ns(fleet.start),
            interval_ns=max(1, round(fleet.interval * 1e9)),
            shape=output.shape,
            poison=output.poison,
            records=output.records or None,
        ),
        properties=kafka_properties(kafka),
        codec=output.codec,
        rate=output.rate or None,
        duration=output.duration,
        partitions=output.partitions or None,
        wait_for_group=backlog.group or None,
        max_backlog_bytes=backlog.nbytes,
        reset=partial(taos_driver, settings.taos, fleet.database) if settings.reset.reset else None,
        database=taos_address(settings.taos, fleet.database).database,
        supertable=fleet.supertable,
        through=_through(settings),
    )


def _through(settings: ProducerSettings) -> "ThroughOptions | None":
    given = settings.through
    if not given.url:
        return None
    from taosink.simulator.passes import tokens_by_key, tokens_of_file  # noqa: PLC0415 -- wanted here alone
    from taosink.simulator.through import ThroughOptions  # noqa: PLC0415 -- the same

    token = None
    if given.key_file is not None:
        token = tokens_by_key(given.key_file)
    elif given.tokens_file is not None:
        token = tokens_of_file(given.tokens_file)
    return ThroughOptions(
        url=given.url,
        connections=given.connections or min(settings.fleet.tables, MOST_AT_A_TIME),
        batch=given.batch,
        ack=given.ack,
        token=token,
        tls=None if given.ca is None else ssl.create_default_context(cafile=str(given.ca)),
    )


def _ns(when: datetime) -> int:
    # Whole seconds apart: a float has no room for the nanoseconds of today.
    return int(when.replace(microsecond=0).timestamp()) * 1_000_000_000 + when.microsecond * 1000

"""The consumer's settings into the options that its parts take: the one place that knows both."""

import os
import socket
from collections.abc import Sequence

from taosbatch.batch_queue import BatchQueue
from taosbatch.batch_rule import BatchRule
from taosbatch.breaker import BreakerRule
from taosbatch.encoding import Encoder, Layout
from taosbatch.guards import GuardRule
from taosink.budget import Shares
from taosink.clients import kafka_security, taos_address
from taosink.config import ConsumerSettings
from taosink.kafka.options import SourceOptions
from taosink.kafka.start import start_at
from taosink.pacing import paced_queue, paced_rule
from taosink.records.encoder import RecordEncoder
from taosink.records.routes import RouteEncoder, load_route
from taosink.taos.schema import LiveSchema, SchemaPolicy

POLL_RECORDS = 1000


def member_name() -> str:
    """This process among the group's members: in client.id, dead letters and logs."""
    return f"taosink-{socket.gethostname()}-{os.getpid()}"


def source_options(settings: ConsumerSettings, shares: Shares) -> SourceOptions:
    group, kafka = settings.group, settings.kafka
    return SourceOptions(
        brokers=",".join(kafka.brokers),
        group=group.name,
        topics=tuple(group.topic),
        group_protocol=group.protocol,
        assignor=group.assignor,
        start=start_at(group.offset),
        client_id=member_name(),
        static_id=group.static_id,
        session_timeout=group.session_timeout,
        heartbeat_interval=group.heartbeat_interval,
        security=kafka_security(kafka),
        properties=dict(kafka.properties),
        poll_records=min(POLL_RECORDS, settings.queue.max_rate or POLL_RECORDS),
        prefetch_bytes=shares.prefetch,
        refill_bytes=shares.refill,
        commit_interval=group.commit_interval,
        revoke_deadline=settings.stop.revoke,
    )


def batch_queue(settings: ConsumerSettings, shares: Shares) -> BatchQueue:
    queue = settings.queue
    rule = BatchRule(
        min_records=queue.min_batch,
        max_records=queue.max_batch,
        max_bytes=shares.batch,
        linger=queue.linger,
    )
    most = queue.max_queue
    if queue.max_rate:
        rule, most = paced_rule(rule, queue.max_rate), paced_queue(most, queue.max_rate)
    return BatchQueue(rule, shares.queue, most, queue.workers)


def live_schema(settings: ConsumerSettings) -> LiveSchema:
    tables = settings.tables
    layout = Layout(
        database=tables.database,
        supertable="" if tables.route else tables.supertable,
        codec=tables.codec,
        precision=tables.precision,
        names_case=tables.names_case,
    )
    policy = SchemaPolicy(
        create=tables.create,
        alter=tables.may_alter,
        precision=tables.precision,
        options=tables.options,
        guard=GuardRule(tables.lossy, tables.future),
    )
    return LiveSchema(layout, policy, address_database=taos_address(settings.taos).database)


def breaker_rule(settings: ConsumerSettings) -> BreakerRule:
    poison = settings.poison
    return BreakerRule(max_refused=poison.max_share, max_unreadable=poison.undecodable_share)


def encoder(route: str) -> Encoder:
    """Raises RouteError where the settings name a route that cannot be used."""
    return RouteEncoder(load_route(route)) if route else RecordEncoder()


def subscription(settings: ConsumerSettings) -> Sequence[str]:
    return tuple(settings.group.topic)

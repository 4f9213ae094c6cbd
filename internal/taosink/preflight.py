"""What is looked at before anything is started: settings that cannot work together, and the database's refusal."""

import threading

import structlog

from taosink import wiring
from taosink.budget import divide
from taosink.clients import taos_address, taos_driver
from taosink.config import ConsumerSettings
from taosink.kafka.client import check_properties
from taosink.taos import versions
from taosink.taos.errors import ErrorClass, TaosError

log = structlog.get_logger()

OPERATOR_CLASSES = frozenset(
    {ErrorClass.FATAL, ErrorClass.FULL, ErrorClass.SCHEMA_GAP, ErrorClass.ROW_SCHEMA, ErrorClass.POISON}
)


class Refused(Exception):  # noqa: N818 - it is an answer, and the text says what to do
    """The consumer cannot start with these settings; nothing was read."""


def needs_operator(cause: Exception) -> bool:
    """Whether a wait ends only when somebody acts; an outage ends by itself."""
    return isinstance(cause, TaosError) and cause.kind in OPERATOR_CLASSES


def check_settings(settings: ConsumerSettings) -> None:
    """What only the Kafka client can tell of the settings together: certificates, keys, their passwords. Connects to
    nothing. Raises Refused."""
    shares = divide(settings.queue.memory, settings.queue.workers)
    if problem := check_properties(wiring.source_options(settings, shares)):
        raise Refused(f"the Kafka client refuses kafka.tls-* or kafka.properties: {problem}")
    if settings.group.assignor == "cooperative-sticky":
        log.warning(
            "kafka.cooperative_sticky",
            meaning="commits fail while it moves partitions, so that more rows are written again than with range",
            todo="leave kafka.assignor out, unless the group's other members need it",
        )


def _check_version(version: str, where: str) -> None:
    """Raises Refused where nothing can work there."""
    if versions.too_old(version):
        raise Refused(f"TDengine at {where} is {version}: {versions.TOO_OLD}; {versions.UPGRADE}")
    if versions.untried(version):
        log.warning(
            "taos.server_old",
            address=where,
            version=version,
            meaning=f"it is {versions.UNTRIED}: what it refuses is told when it does",
            do=versions.UPGRADE,
        )


def check_database(settings: ConsumerSettings, asked: threading.Event) -> None:
    """Logs in once. An outage is waited for by the workers and only told here; a refusal (password, permission,
    library missing, a server too old) would never mend itself and raises Refused. Blocks for at most the connect
    timeout."""
    address, driver = taos_address(settings.taos), taos_driver(settings.taos)
    try:
        version = driver.query("SELECT SERVER_VERSION()").rows[0][0]
        log.info("taos.connected", address=address.shown, version=version)
        _check_version(str(version), address.shown)
        if not asked.is_set():
            wiring.live_schema(settings).reread(driver)
    except TaosError as error:
        if error.kind is ErrorClass.FATAL:
            raise Refused(str(error)) from error
        say = log.error if needs_operator(error) else log.warning
        say("taos.not_ready", address=address.shown, cause=str(error), meaning="records wait, none is lost")
    finally:
        driver.close()

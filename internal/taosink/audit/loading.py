"""Brings a topic's records and its dead letters into the spill."""

from collections.abc import Callable, Iterable, Sequence

from taosbatch.rows import RowError
from taosink.audit.account import Account
from taosink.audit.readings import Reading, Readings
from taosink.audit.spill import Spill, Unreadable
from taosink.dlq.letters import is_receipt
from taosink.kafka.dlq_headers import DeadLetterInfo
from taosink.ports import SourceMessage

Progress = Callable[[int], None]


def load_letters(chunks: Iterable[Sequence[SourceMessage]], spill: Spill, account: Account) -> None:
    """Notes the origin of every dead letter of the account's topic, and counts what else is in theirs."""
    for chunk in chunks:
        origins = [found for message in chunk if (found := _origin(message, account)) is not None]
        account.letters += len(origins)
        account.letters_repeated += len(origins) - spill.add_letters(origins)


def _origin(message: SourceMessage, account: Account) -> tuple[int, int] | None:
    headers = message.headers()
    info = DeadLetterInfo.decode(headers)
    if info is None:
        account.letters_foreign += not is_receipt(headers)
        return None
    lane = account.lanes.get(info.partition)
    if info.topic != account.topic or lane is None or not lane.part.start <= info.offset < lane.part.end:
        account.letters_elsewhere += 1
        return None
    return info.partition, info.offset


def load_records(
    chunks: Iterable[Sequence[SourceMessage]],
    spill: Spill,
    readings: Readings,
    account: Account,
    progress: Progress,
) -> None:
    """Decodes every record into the spill, and counts it. `progress` is told the records of each chunk."""
    for chunk in chunks:
        found: list[tuple[int, int, Reading]] = []
        for message in chunk:
            partition, offset = message.partition() or 0, message.offset() or 0
            try:
                found.append((partition, offset, readings.decode(message.value())))
            except RowError as error:
                unreadable = Unreadable(
                    partition, offset, error.device, f"{error.reason}: {error.detail}", message.timestamp()[1]
                )
                spill.add_unreadable([unreadable])
            account.lanes[partition].records += 1
        spill.add_readings(found)
        account.records += len(chunk)
        progress(len(chunk))

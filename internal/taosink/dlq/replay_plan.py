"""What a replay does with each letter. Pure."""

from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum

from taosink.dlq.letters import Found, Headers
from taosink.dlq.scan import Place
from taosink.kafka.dead_letter_form import REPLY_PREFIX
from taosink.kafka.dlq_headers import DeadLetterInfo, header_name, original


class Hindrance(StrEnum):
    """Why a letter is not replayed."""

    FOREIGN = "no dead letter of taosink"
    REPLAYED = "replayed already (--again replays it once more)"
    CUT = "cut when it was dead-lettered, because it was too large: the whole record is not here"
    TRIED = "dead-lettered too often (--max-attempts allows more)"
    NO_ORIGIN = "its topic or partition does not exist any more"
    OVERWRITES = "it would overwrite a stored row (--existing=replay does it)"


@dataclass(frozen=True, slots=True)
class Rules:
    """`origins` are the (topic, partition) that exist, None where the letters go into the database."""

    max_attempts: int = 5
    again: bool = False
    origins: Container[tuple[str, int]] | None = None


def hindrance(found: Found, rules: Rules, replayed: Container[Place]) -> Hindrance | None:
    """Why this letter stays where it is; None where it can be replayed."""
    info = found.info
    if info is None:
        return Hindrance.FOREIGN
    if not rules.again and Place(found.partition, found.offset) in replayed:
        return Hindrance.REPLAYED
    if info.cut:
        return Hindrance.CUT
    if info.attempt >= rules.max_attempts:
        return Hindrance.TRIED
    if rules.origins is not None and (info.topic, info.partition) not in rules.origins:
        return Hindrance.NO_ORIGIN
    return None


def replay_headers(headers: Headers, info: DeadLetterInfo) -> list[tuple[str, bytes | None]]:
    """The record's own headers, without those of an owed answer (nobody waits for it any more), and the count
    of its attempts: the next dead letter of it counts on, so that it cannot circle for ever."""
    own = [(name, value) for name, value in original(headers) if not name.startswith(REPLY_PREFIX)]
    return [*own, (header_name("attempt"), str(info.attempt).encode())]

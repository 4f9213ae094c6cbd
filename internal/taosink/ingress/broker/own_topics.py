"""The topics that a gateway writes and reads: how each is made, and which it cannot be without. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from taosink.ingress.broker.options import BrokerOptions


@dataclass(frozen=True, slots=True)
class OwnTopic:
    """`compacted`: it keeps the last record of each key. `needed`: without it the gateway is not ready."""

    name: str
    partitions: int
    compacted: bool = False
    needed: bool = False


def own_topics(options: BrokerOptions) -> Sequence[OwnTopic]:
    """Every topic of a gateway with these options, in the order in which they are made."""
    others = options.other_partitions
    named = [
        OwnTopic(options.presence, others, compacted=True, needed=True),
        OwnTopic(options.commands, others, compacted=True, needed=True),
        OwnTopic(options.readings, options.readings_partitions, needed=True),
        OwnTopic(options.requests, others),
        OwnTopic(options.segments, others),
        *(OwnTopic(name, others) for name in options.responses),
    ]
    return [topic for topic in named if topic.name]

"""The metadata string beside each committed offset: what the offset belongs to."""

import json
from dataclasses import dataclass

FORMAT = 1


@dataclass(frozen=True, slots=True)
class CommitMetadata:
    """`topic_id` tells a topic from a later one of the same name (empty: the broker did not say);
    `partitions` is the count that the group first saw, which tells first partitions from ones that were
    added."""

    topic_id: str
    partitions: int

    def encode(self) -> str:
        """At most about 80 characters; brokers take 4,096."""
        return json.dumps({"taosink": FORMAT, "topic_id": self.topic_id, "partitions": self.partitions})


def decode(text: str | None) -> CommitMetadata | None:
    """None for the metadata of anybody else, or of a format that this version does not know; never raises."""
    try:
        found = json.loads(text or "")
        if found["taosink"] != FORMAT:
            return None
        return CommitMetadata(str(found["topic_id"]), int(found["partitions"]))
    except (ValueError, TypeError, KeyError):
        return None

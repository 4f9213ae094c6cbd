"""What the source reports while it works: implement what is of interest."""

from collections.abc import Collection

from taosbatch.offsets import Lane


class SourceObserver:
    """Called by the polling thread; must neither block nor raise. The methods here do nothing."""

    def consumed(self, lane: Lane, records: int, nbytes: int) -> None:
        """A chunk was delivered."""

    def assigned(self, lanes: Collection[Lane]) -> None:
        """Partitions came."""

    def revoked(self, lanes: Collection[Lane], pending: int, *, lost: bool) -> None:
        """Partitions went; `pending` of their records had not ended and are read again by the next owner.
        `lost`: the group had given up this member before, so nothing could be committed."""

    def committed(self, lanes: Collection[Lane]) -> None:
        """The broker acknowledged these partitions' offsets."""

    def commit_failed(self, error: str, *, revoking: bool) -> None:
        """Tried again at the next interval; with `revoking` what had ended is written again by the next
        owner."""

    def lost_by_broker(self, lane: Lane, records: int) -> None:
        """At most so many records were removed by the broker before they were read."""

    def client_error(self, name: str) -> None:
        """librdkafka reported an error of this name."""

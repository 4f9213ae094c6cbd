"""What a run came to."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class ChaosReport:
    """`faults`: those that hit somebody. `lost`: neither stored nor dead-lettered. `different`: rows whose
    values are not the last in partition order. `unexpected`: rows that nobody produced. `written_again`: at
    least so many rows were written more than once (exact where no reading repeats a timestamp). `alarms`: log
    events above WARN. `wrong`: processes that ended as none should, and log lines that tell of a defect."""

    seed: int
    protocol: str
    faults: Mapping[str, int]
    records: int
    poison: int
    dead_lettered: int
    stored: int
    lost: int
    different: int
    unexpected: int
    written_again: int
    exits: Mapping[str, int]
    seconds: float
    alarms: Mapping[str, int]
    wrong: Sequence[str] = ()
    examples: Sequence[str] = ()

    @property
    def clean(self) -> bool:
        account = self.lost or self.different or self.unexpected or self.dead_lettered != self.poison
        return not (account or self.wrong)

    @property
    def line(self) -> str:
        faults = " ".join(f"{kind}={n}" for kind, n in self.faults.items())
        return (
            f"chaos seed={self.seed} protocol={self.protocol} faults={sum(self.faults.values())} ({faults}) "
            f"records={self.records} poison={self.poison} dead_lettered={self.dead_lettered} lost={self.lost} "
            f"different={self.different} written_again={self.written_again} seconds={self.seconds:.0f}"
        )

    def as_json(self) -> dict[str, object]:
        return asdict(self)

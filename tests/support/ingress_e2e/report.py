"""What a run found."""

import json
from dataclasses import asdict, dataclass, field


@dataclass(slots=True)
class Report:
    """`lost`: acknowledged readings that are not in the database as they were sent. `early`: told to be stored, and
    not yet found by a query at that moment. `unseen`: commands delivered, without answer asked, that no device
    did."""

    devices: int
    gateways: int
    faults: list[str] = field(default_factory=list)
    sent: int = 0
    acknowledged: dict[str, int] = field(default_factory=dict)
    application: int = 0
    resent: int = 0
    again: int = 0
    reconnects: int = 0
    stored: int = 0
    lost: int = 0
    probed: int = 0
    early: int = 0
    commands: dict[str, int] = field(default_factory=dict)
    disagreed: int = 0
    unseen: int = 0
    audit: int = -1
    alarms: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        return json.dumps({**asdict(self), "wrong": self.wrong[:20]})

    @property
    def clean(self) -> bool:
        kept = not (self.lost or self.early or self.disagreed or self.wrong)
        return kept and self.audit == 0 and sum(self.acknowledged.values()) == self.sent

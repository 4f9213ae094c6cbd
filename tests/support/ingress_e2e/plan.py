"""What a run of the whole way is: how many, how long, and what is broken when."""

from dataclasses import dataclass
from typing import Literal

Break = Literal["kill_gateway", "kill_consumer", "restart_broker", "kill_broker"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Times in seconds. `faults`: what happens, and at which part of `seconds`.

    `late` of the devices connect only after `late_at` of the time; `ghosts` are further devices that never do.
    `period` lies between two requests of a device, `command_period` between two commands.
    """

    devices: int
    seconds: float
    period: float
    command_period: float
    faults: tuple[tuple[float, Break], ...] = (
        (0.1, "kill_gateway"),
        (0.3, "kill_consumer"),
        (0.5, "restart_broker"),
    )
    late: int = 10
    late_at: float = 0.6
    ghosts: int = 10
    partitions: int = 6
    down: float = 1.0
    """So long what was killed stays away."""
    patience: float = 60.0
    """For everything that has to come to its end by itself."""

    @property
    def names(self) -> list[str]:
        return [f"dev-{n}" for n in range(self.devices)]

    @property
    def ghost_names(self) -> list[str]:
        return [f"ghost-{n}" for n in range(self.ghosts)]

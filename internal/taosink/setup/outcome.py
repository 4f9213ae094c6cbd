"""What became of each thing, one line each. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """`LEFT`: it is made by somebody else, later. `WARNING`: it was there, and is not as it was asked for."""

    MADE = "made"
    THERE = "was there"
    LEFT = "left"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`do` is what an operator does about it; empty where there is nothing to be done. `refused`: a failure that no
    waiting mends (a login, a certificate), so that nothing else is waited for either."""

    state: State
    thing: str
    detail: str = ""
    do: str = ""
    refused: bool = False

    @property
    def text(self) -> str:
        """Without the state."""
        said = "; ".join(filter(None, (self.detail, self.do)))
        return " ".join(f"{self.thing}: {said}".split() if said else self.thing.split())

    @property
    def line(self) -> str:
        return f"{self.state:<9}  {self.text}"

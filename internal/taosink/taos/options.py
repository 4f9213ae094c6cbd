"""How drivers connect: what both kinds share."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DriverOptions:
    """Times are seconds. `read_timeout` stands above the server's own, so that a statement is seldom cut
    while the server still works on it. `ca` is a file of PEM certificates; empty means the system's.

    `token` replaces user and password (REST only): sent as `Taosd <token>` unless it names its own scheme.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    gzip: bool = False
    token: str = field(default="", repr=False)
    ca: str = ""
    verify: bool = True

    def __post_init__(self) -> None:
        if not self.token.isprintable():
            raise ValueError("the TDengine token holds a line break or another control character")
        if self.connect_timeout <= 0 or self.read_timeout <= 0:
            raise ValueError("timeouts of the TDengine driver must be above zero")

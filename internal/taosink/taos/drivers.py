"""The one place that chooses a driver."""

from taosink.ports import Driver
from taosink.taos.address import Address
from taosink.taos.native import NativeDriver
from taosink.taos.options import DriverOptions
from taosink.taos.rest import RestDriver

__all__ = ["DriverOptions", "connect"]


def connect(address: Address, options: DriverOptions | None = None) -> Driver:
    """A driver for one thread. Does not touch the network: the first call connects, and raises TaosError."""
    make = RestDriver if address.kind == "rest" else NativeDriver
    return make(address, options or DriverOptions())

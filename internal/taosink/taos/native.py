"""The native driver: taospy over libtaos. Imported only where a native address is used."""

import contextlib
import importlib
from typing import Any

from taosink.ports import Result
from taosink.taos.address import Address
from taosink.taos.errors import DATABASE_MISSING, Local, TaosError
from taosink.taos.options import DriverOptions

_INSTALL = (
    "install the TDengine client of the server's version (it brings libtaos.so),"
    " or use REST: http://user:password@host:6041/db"
)

_CONNECTION_LOST = {0x000B, 0x0015, 0x0018, 0x0019, 0x0020, 0x0021, 0x0022, 0x0023, 0x0024, 0x0213}
"""After these the handle is given up: libtaos does not mend each of them by itself."""


class NativeDriver:
    """A `taosink.ports.Driver` over libtaos; for one thread at a time. Connects at its first call.

    A call blocks for as long as libtaos does (ten seconds on a dead server, without bound on a frozen one);
    the GIL is free meanwhile. Timeouts are libtaos's own: `DriverOptions` has none for it.
    """

    def __init__(self, address: Address, options: DriverOptions) -> None:  # noqa: ARG002 - one shape for both
        self._address = address
        self._connection: Any = None
        self._in_database = False
        self._inside = False

    def __repr__(self) -> str:
        return f"<NativeDriver {self._address.shown} {'up' if self._connection is not None else 'down'}>"

    def execute(self, sql: bytes | str) -> int:
        result = self._call(sql)
        try:
            return int(result.affected_rows)
        finally:
            result.close()

    def query(self, sql: str) -> Result:
        result = self._call(sql)
        try:
            columns = [str(field.name) for field in result.fields]
            return Result(columns, result.fetch_all())
        except self._errors() as error:
            raise self._failed(error) from error
        finally:
            result.close()

    def close(self) -> None:
        # Closing a handle under a call that is still inside libtaos (on a thread that a stop has left behind)
        # would free what the call works on: it stays open until the process ends.
        if self._connection is None or self._inside:
            return
        connection, self._connection = self._connection, None
        with contextlib.suppress(Exception):
            connection.close()

    def _call(self, sql: bytes | str) -> Any:
        text = sql if isinstance(sql, str) else sql.decode()
        failure = None
        connection = self._connected()
        self._inside = True
        try:
            return connection.query(text)
        except self._errors() as error:
            failure = self._failed(error)
            raise failure from error
        finally:
            self._inside = False
            if failure is not None and failure.code in _CONNECTION_LOST:
                self.close()

    def _connected(self) -> Any:
        if self._connection is None:
            self._connection = self._connect()
        if not self._in_database:
            self._choose_database()
        return self._connection

    def _connect(self) -> Any:
        """A connection, with the address's database chosen where it exists, as the REST server does it."""
        try:
            connection = self._open(self._address.database)
            self._in_database = True
        except TaosError as error:
            if error.code != DATABASE_MISSING:
                raise
            connection = self._open("")
            self._in_database = False
        return connection

    def _open(self, database: str) -> Any:
        taos = _taospy(self._address)
        place = self._address
        login = {"user": place.user, "password": place.password}
        try:
            # taospy names it `database`; a key `db` would be passed over without a word.
            return taos.connect(host=place.host, port=place.port, database=database or None, **login)
        except taos.error.Error as error:
            raise self._failed(error) from error

    def _choose_database(self) -> None:
        try:
            self._connection.select_db(self._address.database)
            self._in_database = True
        except self._errors() as error:
            failure = self._failed(error)
            if failure.code != DATABASE_MISSING:
                raise failure from error

    def _errors(self) -> Any:
        return _taospy(self._address).error.Error

    def _failed(self, error: Any) -> TaosError:
        return TaosError(int(error.errno) & 0xFFFF, str(error.msg), self._address.shown)


def _taospy(address: Address) -> Any:
    """The `taos` package, or a TaosError that says what to install: it loads libtaos when imported."""
    try:
        return importlib.import_module("taos")
    except Exception as error:
        raise TaosError(Local.LIBRARY, f"no native client ({error}); {_INSTALL}", address.shown) from error

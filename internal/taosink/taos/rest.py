"""The REST driver: one kept-alive connection to taosAdapter, one POST per statement."""

import gzip
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import msgspec
import structlog
import urllib3
from urllib3.exceptions import HTTPError, InsecureRequestWarning

from taosink.ports import Result
from taosink.taos.address import Address
from taosink.taos.errors import ErrorClass, Local, TaosError, classify
from taosink.taos.options import DriverOptions
from taosink.taos.rest_failures import NOT_REST, from_exception, from_status

log = structlog.get_logger()

MAX_ANSWER_BYTES = 256 * 1024 * 1024
_READ_CHUNK = 1024 * 1024
_NAMED_SCHEMES = ("basic ", "bearer ", "taosd ")

_decode = msgspec.json.Decoder().decode


class RestDriver:
    """A `taosink.ports.Driver` over HTTP(S); for one thread at a time. Connects at its first call.

    A call blocks for at most the connect timeout, the send, and the read timeout per piece of the answer.
    Nothing is retried here: a statement that failed may have been stored, and only the caller knows the rows.
    """

    def __init__(self, address: Address, options: DriverOptions) -> None:
        self._server = address.shown
        self._gzip = options.gzip
        self._path = f"/rest/sql/{quote(address.database, safe='')}" if address.database else "/rest/sql"
        self._headers = _headers(address, options)
        self._pool = _pool(address, options)
        self._closed = False

    def __repr__(self) -> str:
        return f"<RestDriver {self._server}{' closed' if self._closed else ''}>"

    def execute(self, sql: bytes | str) -> int:
        answer = self._call(sql)
        try:
            affected = answer["data"][0][0]
        except (KeyError, IndexError, TypeError):
            return 0
        return affected if isinstance(affected, int) else 0

    def query(self, sql: str) -> Result:
        answer = self._call(sql)
        try:
            return Result([str(column[0]) for column in answer["column_meta"]], answer["data"])
        except (KeyError, IndexError, TypeError):
            raise self._error(Local.PROTOCOL, f"the answer holds no rows; {NOT_REST}") from None

    def close(self) -> None:
        self._closed = True
        self._pool.close()

    def _call(self, sql: bytes | str) -> dict[str, Any]:
        body = sql.encode() if isinstance(sql, str) else sql
        if self._gzip:
            body = gzip.compress(body, 1)
        try:
            response = self._pool.urlopen(
                "POST",
                self._path,
                body=body,
                headers=self._headers,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            with response:
                data = _read(response)
        except (HTTPError, OSError) as error:
            raise TaosError(*from_exception(error), self._server) from error
        if data is None:
            raise self._error(Local.ANSWER_SIZE, f"the answer is over {MAX_ANSWER_BYTES} bytes; ask for less")
        return self._judged(response.status, data)

    def _judged(self, status: int, data: bytes) -> dict[str, Any]:
        """The answer if it says success. TDengine's errors come with status 200 too: its number decides."""
        try:
            answer = _decode(data)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or not isinstance(code := answer.get("code"), int):
            raise self._error(*from_status(status, data))
        if code == 0 and status == 200:
            return answer
        if code == 0 or (status != 200 and classify(code) is ErrorClass.UNKNOWN):
            # The status of a proxy or of an overloaded adapter says more than a number without a class.
            raise self._error(*from_status(status, data))
        raise self._error(code, str(answer.get("desc", "")))

    def _error(self, code: int, message: str) -> TaosError:
        return TaosError(code, message, self._server)


def _read(response: urllib3.BaseHTTPResponse) -> bytes | None:
    """The whole body, or None where it passes the bound: the connection is then closed, not drained."""
    parts = []
    size = 0
    for part in response.stream(_READ_CHUNK, decode_content=True):
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            return None
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _headers(address: Address, options: DriverOptions) -> dict[str, str]:
    headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "taosink"}
    if not options.token:
        headers["Authorization"] = (
            "Basic " + b64encode(f"{address.user}:{address.password}".encode()).decode()
        )
    elif options.token.lower().startswith(_NAMED_SCHEMES):
        headers["Authorization"] = options.token
    else:
        headers["Authorization"] = f"Taosd {options.token}"
    if options.gzip:
        headers |= {"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    return headers


def _pool(address: Address, options: DriverOptions) -> urllib3.HTTPConnectionPool:
    timeout = urllib3.Timeout(connect=options.connect_timeout, read=options.read_timeout)
    if not address.tls:
        return urllib3.HTTPConnectionPool(address.host, address.port, timeout=timeout, maxsize=1)
    if not options.verify:
        # urllib3 would warn at each request; one line at start is what an operator reads.
        urllib3.disable_warnings(InsecureRequestWarning)
        log.warning("taos.tls_unverified", server=address.shown, todo="give a CA instead, outside of tests")
    return urllib3.HTTPSConnectionPool(
        address.host,
        address.port,
        timeout=timeout,
        maxsize=1,
        cert_reqs="CERT_REQUIRED" if options.verify else "CERT_NONE",
        assert_hostname=None if options.verify else False,
        ca_certs=options.ca or None,
    )

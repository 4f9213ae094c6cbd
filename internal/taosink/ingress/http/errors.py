"""What is answered where a request cannot be done: one JSON form, on both listeners."""

import json
from collections.abc import Mapping

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

JSON = "application/json"
_CODES = {404: "not_found", 405: "method_not_allowed"}


class Problem(Exception):  # noqa: N818 -- it is an answer, not always somebody's error
    """Ends a request with this status; `code` is a stable token, `text` says what to do."""

    def __init__(
        self, status: int, code: str, text: str, headers: Mapping[str, str] | None = None, **more: object
    ) -> None:
        super().__init__(f"{status} {code}: {text}")
        self.status, self.code, self.text = status, code, text
        self.headers = dict(headers or {})
        self.more = more

    def response(self) -> Response:
        return answer(
            self.status, {"errorCode": self.code, "errorMessage": self.text, **self.more}, self.headers
        )


def answer(status: int, content: object, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer. Nothing of it is kept by caches on the way: it is true now."""
    return Response(_json(content), status, {"cache-control": "no-store", **(headers or {})}, JSON)


def _json(content: object) -> bytes:
    try:
        return msgspec.json.encode(content)
    except UnicodeEncodeError:
        # Half a surrogate pair, which a worker's JSON may have escaped: the answer escapes it again.
        return json.dumps(content).encode()


def later(status: int, code: str, text: str, seconds: float) -> Problem:
    """The same request is welcome again after so long: whole seconds, at least 1."""
    return Problem(status, code, text, {"retry-after": str(max(1, round(seconds)))})


async def on_problem(_request: Request, error: Exception) -> Response:
    """Starlette's handler of Problem."""
    assert isinstance(error, Problem)  # noqa: S101 -- registered for nothing else
    return error.response()


async def on_http_exception(_request: Request, error: Exception) -> Response:
    """Starlette's handler of its own 404 and 405, whose headers (Allow) are kept."""
    assert isinstance(error, HTTPException)  # noqa: S101 -- registered for nothing else
    code = _CODES.get(error.status_code, "bad_request")
    return answer(error.status_code, {"errorCode": code, "errorMessage": error.detail}, error.headers)


async def on_disconnect(_request: Request, _error: Exception) -> Response:
    """Starlette's handler of a client that left in the middle of its body: nobody reads this."""
    return answer(400, {"errorCode": "bad_body", "errorMessage": "the body was cut"}, {"connection": "close"})


async def on_defect(_request: Request, _error: Exception) -> Response:
    """Starlette's handler of anything else; it raises it again afterwards, so that it is logged."""
    text = "an error of this server; what was sent may or may not be stored, and is safe to send again"
    return answer(500, {"errorCode": "error", "errorMessage": text}, {"connection": "close"})

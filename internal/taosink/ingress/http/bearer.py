"""Bearer tokens (RFC 6750): the device's on the public listener, the operator's on the admin one."""

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers

from taosink.ingress.http.errors import Problem, later
from taosink.ingress.ports import Authenticator, Verdict
from taosink.observe.listen_rule import constant_time_equal
from taosink.observe.status.guard import given_secret

_CHALLENGE = 'Bearer realm="taosink"'
_LONGEST_TEXT = 200


def bearer(headers: Headers) -> str | None:
    """The token of the request, None where it has none. Raises Problem 401 for another scheme."""
    given = headers.get("authorization")
    if given is None:
        return None
    scheme, _, token = given.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthorized("invalid_request", "Authorization is not of the form `Bearer <token>`")
    try:
        # Headers come as Latin-1; a secret may be any text, sent as UTF-8.
        return token.strip().encode("latin-1").decode()
    except UnicodeDecodeError:
        raise unauthorized("invalid_token", "the token is no UTF-8 text") from None


def unauthorized(error: str, text: str, code: str = "unauthorized") -> Problem:
    """401 with its challenge; `error` is one of RFC 6750's, empty where no token came."""
    challenge = f'{_CHALLENGE}, error="{error}"' if error else _CHALLENGE
    return Problem(401, code, text[:_LONGEST_TEXT], {"www-authenticate": challenge})


async def device_of(
    authenticator: Authenticator, device: str, headers: Headers, certificate: Mapping[str, Any] | None
) -> str:
    """The device that the bearer may write for; empty where it may be any. Raises Problem 401, 403, 429, 503."""
    token = bearer(headers)
    verdict = await authenticator.check(device, token, certificate)
    if verdict.ok:
        return verdict.device
    raise _refusal(verdict, given=token is not None)


def _refusal(verdict: Verdict, *, given: bool) -> Problem:
    text = verdict.text or "the bearer token was refused"
    match verdict.code:
        case "busy" | "rate_limited":
            return later(429, verdict.code, text, 1)
        case "timeout":
            return later(503, verdict.code, text, 5)
        case "wrong_device":
            challenge = {"www-authenticate": f'{_CHALLENGE}, error="insufficient_scope"'}
            return Problem(403, verdict.code, text, challenge)
    return unauthorized("invalid_token" if given else "", text, verdict.code or "unauthorized")


def check_operator(headers: Headers, token: str) -> None:
    """Raises Problem 401 where an operator's token is set and the request has another, or none. A browser sends it
    as the password of its own login."""
    if not token:
        return
    basic = headers.get("authorization", "")[:6].lower() == "basic "
    given = given_secret(headers["authorization"]) if basic else bearer(headers)
    if given is None:
        text = "this listener asks for its token: Authorization: Bearer <token>, or as a login's password"
        raise unauthorized("", text)
    if not constant_time_equal(given, token):
        raise unauthorized("invalid_token", "the token is wrong")

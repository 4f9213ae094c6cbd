"""`python -m taosink.embedded.database`: any free port on loopback, in memory, until SIGTERM."""

from .server import serve


def _announce(url: str) -> None:
    print(url, flush=True)  # noqa: T201 - the address is this program's output


if __name__ == "__main__":
    serve("127.0.0.1:0", None, on_ready=_announce)

"""File descriptors: as many as the connections that are allowed need, or fewer connections."""

import resource

import structlog

log = structlog.get_logger()

KEPT = 384
"""For operators (200), Kafka's connections, files and the process itself: strangers must not get the last ones."""


def room_for(tcp: int, http: int) -> tuple[int, int]:
    """How many connections of both kinds can be open at once: what was asked for, or, where the process may not
    have so many descriptors, a part of it (at least 1). Raises the soft limit as far as it has to and may."""
    limit = _raised(tcp + http + KEPT)
    found = shares(tcp, http, limit)
    if found != (tcp, http):
        log.warning(
            "ingress.few_descriptors",
            descriptors=limit,
            needed=tcp + http + KEPT,
            connections=found[0],
            http_connections=found[1],
            meaning="more connections than these are refused, whatever the settings say",
            do="raise the limit of open files (LimitNOFILE, ulimit -Hn), or lower ingress.max-connections",
        )
    return found


def shares(tcp: int, http: int, limit: int) -> tuple[int, int]:
    """Both in proportion, where `limit` descriptors are too few for both. Pure."""
    room = limit - min(KEPT, limit // 2)
    if tcp + http <= room:
        return tcp, http
    of_tcp = max(1, room * tcp // (tcp + http))
    return of_tcp, max(1, room - of_tcp) if http else 0


def _raised(wanted: int) -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    best = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (best, hard))
    return best

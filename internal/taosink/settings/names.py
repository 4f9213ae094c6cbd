"""Checks of names and phrases that end in SQL or in an import."""

import re

from taosink.settings.kinds import check_topic

_ROUTE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_OPTIONS = re.compile(r"[A-Za-z0-9_ ,.'\"-]*")


def check_name(name: str, limit: int) -> str:
    """A database's or supertable's name, as TDengine takes it inside backticks."""
    if "." in name or "`" in name or any(ord(c) < 32 for c in name):
        raise ValueError("holds a dot, a backtick or a control character, which TDengine takes in no name")
    if len(name.encode()) > limit:
        raise ValueError(f"is longer than the {limit} bytes that TDengine takes")
    return name


def check_route(route: str) -> str:
    if route and not _ROUTE.fullmatch(route):
        raise ValueError("is not module:attribute; write for example plant.mapping:route")
    return route


def check_options(options: str) -> str:
    """Options go into CREATE DATABASE as they stand: one phrase, no second statement."""
    if not _OPTIONS.fullmatch(options):
        raise ValueError(
            "holds more than words, numbers and quoted words; write for example KEEP 365 VGROUPS 4"
        )
    return options


def check_topic_or_empty(name: str) -> str:
    return check_topic(name) if name else name

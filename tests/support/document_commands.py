"""The `taosink` command lines of a document, and what in them does not exist."""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile, takewhile

from taosink.config import MODELS
from taosink.settings.flags import parse_flags
from taosink.settings.spec import specs_of
from taosink_cli import dlq, tail

SERVICES = frozenset({"init", "consumer", "ingress", "producer"})
"""Of docker-compose.yml, whose entry point is `taosink`."""
FIRST: Mapping[str, Callable[[Sequence[str]], list[str]]] = {"tail": tail.named, "dlq show": dlq.placed}
"""Commands whose first word may stand without its flag."""
_FENCE = re.compile(r"^ *```[^\n`]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_OURS = re.compile(r"(^|\s)taosink\s|^docker-compose run\s")
_SUBSTITUTED = re.compile(r"\$\([^()]*\)")
_BETWEEN = frozenset("|&;<>")


@dataclass(frozen=True, slots=True)
class Line:
    """What stands behind `taosink`."""

    words: tuple[str, ...]

    @property
    def command(self) -> str:
        """Empty where there is none of this name."""
        names = (" ".join(self.words[:count]) for count in (2, 1))
        return next((name for name in names if name in MODELS), "")

    def faults(self) -> list[str]:
        """What its command does not know; a flag without its value, and a word that is no flag."""
        if not self.command:
            return [f"no command: {' '.join(self.words)}"]
        rest = self.words[len(self.command.split()) :]
        specs = specs_of(MODELS[self.command])
        known = {flag: spec.kind == "bool" for spec in specs for flag in spec.flags}
        problems = parse_flags(FIRST.get(self.command, list)(rest), {**known, "config": False}).problems
        return [f"{self.command}: {problem}" for problem in problems]


def typed(text: str) -> list[list[str]]:
    """The words of each program that the blocks' lines behind `$` start. No comment, no redirection."""
    blocks = "".join(_FENCE.findall(text)).replace("\\\n", " ")
    lines = [line.strip() for line in blocks.splitlines()]
    return [words for line in lines if line.startswith("$ ") for words in programs(line[2:])]


def codes(text: str) -> list[str]:
    """What stands between backticks, outside of blocks."""
    return _CODE.findall(_FENCE.sub("", text))


def lines_of(text: str) -> list[Line]:
    """Those of blocks and those between backticks; also what runs in a container."""
    inline = [words for code in codes(text) if _OURS.search(code) for words in programs(code)]
    return [line for words in (*typed(text), *inline) if (line := line_in(words))]


def programs(line: str) -> Iterator[list[str]]:
    """The words of each program of a shell's line; `...` stands for words that a text leaves out."""
    lexer = shlex.shlex(_SUBSTITUTED.sub("X", line), posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if not set(word) <= _BETWEEN:
            words += [word] if word != "..." else []
        elif set(word) & {"<", ">"}:
            next(lexer, "")
        else:
            yield words
            words = []
    yield words


def line_in(words: Sequence[str]) -> Line | None:
    """The line of `taosink` that a program's words are or hold. None where they start something else."""
    if "--" in words:
        words = words[words.index("--") + 1 :]
    words = [*dropwhile(lambda word: word == "time" or "=" in word, words)]
    if words[:2] == ["docker-compose", "run"]:
        service, *words = dropwhile(lambda word: word.startswith("-"), words[2:])
        return Line(tuple(words)) if service in SERVICES and words else None
    return Line(tuple(words[1:])) if words[:1] == ["taosink"] and words[1:] else None


def head_comment(text: str) -> str:
    """The comment at a file's head as a document: its indented lines are blocks."""
    lines = [line[2:] for line in takewhile(lambda line: line.startswith("#"), text.splitlines())]
    return "\n".join(f"```\n$ {line.strip()}\n```" if line.startswith("  ") else line for line in lines)

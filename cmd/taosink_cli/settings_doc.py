"""Writes docs/SETTINGS.md anew: `python -m taosink_cli.settings_doc`; with `-` to standard output."""

import sys
from collections.abc import Sequence
from pathlib import Path

from taosink.config import MODELS
from taosink.settings.help import settings_document
from taosink_cli.main import USAGE

DOCUMENT = Path("docs/SETTINGS.md")


def main(arguments: Sequence[str]) -> int:
    """Takes at most one argument, the file; it is replaced. Returns 2 where it was called otherwise."""
    if len(arguments) > 1 or any(a.startswith("-") and a != "-" for a in arguments):
        sys.stderr.write(f"usage: python -m taosink_cli.settings_doc [FILE | -]   (FILE: {DOCUMENT})\n")
        return USAGE
    text = settings_document(MODELS)
    if list(arguments) == ["-"]:
        sys.stdout.write(text)
    else:
        target = Path(arguments[0]) if arguments else DOCUMENT
        target.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Writes anew the files that are made from the code: `make docs`, or `python -m taosink_cli.documents [TREE]`."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from taosink.config import MODELS
from taosink.observe.catalogue import metrics_document
from taosink.settings.example import example_document
from taosink.settings.help import settings_document
from taosink_cli.main import USAGE

DOCUMENTS: Mapping[str, Callable[[], str]] = {
    "docs/SETTINGS.md": lambda: settings_document(MODELS),
    "docs/METRICS.md": metrics_document,
    "deployments/config/taosink.toml": lambda: example_document(MODELS),
}
"""By their place in the tree."""


def main(arguments: Sequence[str]) -> int:
    """Takes at most one argument, the tree's root; else it is called from there. Returns 2 where that is no tree."""
    root = Path(arguments[0] if arguments else ".")
    if len(arguments) > 1 or not all((root / name).parent.is_dir() for name in DOCUMENTS):
        sys.stderr.write(f"usage: python -m taosink_cli.documents [TREE]   (writes {', '.join(DOCUMENTS)})\n")
        return USAGE
    for name, text in DOCUMENTS.items():
        (root / name).write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m taosink_cli` is `taosink`."""

import sys

from taosink_cli.main import main

sys.exit(main())

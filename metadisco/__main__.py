"""`python -m metadisco …`, the same as the command."""

import sys

from metadisco.cli import main

sys.exit(main())

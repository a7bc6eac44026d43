"""``python -m qwex.cli``."""

import sys

from qwex.cli import main

sys.exit(main())

"""Writes docs/settings.md and docs/flags.md from the code that describes them; `--check` only compares.

Run: python docs/generate.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from qwex.config import FIELDS
from qwex.options import flags

HERE = Path(__file__).parent

SETTINGS = """# Settings

Made by `docs/generate.py` from `qwex/config.py`. `qwex config` shows each value and where it came from.

Later wins: the defaults below, `~/.config/qwex/config.toml`, `qwex.toml` in the working folder or above it, `QWEX_*`
variables (`QWEX_IDLE_TIMEOUT=60`), arguments. A section named after a plugin goes to that plugin: `[local]` stands in
[the queue on this machine](queue.md), and `QWEX_LOCAL__GPUS=2` sets its `gpus`.

| setting | default | what it is | read by |
|---|---|---|---|
"""

FLAGS = """# Flags of a submission

Made by `docs/generate.py` from `qwex/options.py`. The same on the command line (`qwex submit`), in the notebook
(`%%qwex`) and as keywords in Python (`qwex.submit("train.py", gpu="1", time="15m")`). Defaults for a project stand in
its `qwex.toml`:

```toml
[submit]
queue = "gpu-team"
time = "4h"
```

| flag | what it is |
|---|---|
"""


def settings() -> str:
    """The table of settings."""
    rows = [f"| `{f.name}` | `{f.default!r}` | {f.help} | the {f.scope} |" for f in FIELDS]
    return SETTINGS + "\n".join(rows) + "\n"


def submission() -> str:
    """The table of flags."""
    rows = [
        f"| `{flag.long} {flag.metavar}`{f', `{flag.short}`' if flag.short else ''} "
        f"| {flag.help}{'; several times' if flag.many else ''} |"
        for flag in flags()
    ]
    return FLAGS + "\n".join(rows) + "\n"


def main(check: bool) -> int:
    """Write the pages, or say which of them is out of date."""
    stale = 0
    for name, text in (("settings.md", settings()), ("flags.md", submission())):
        page = HERE / name
        if check and (not page.exists() or page.read_text(encoding="utf-8") != text):
            sys.stderr.write(f"docs/{name} is not what the code says; run: python docs/generate.py\n")
            stale = 1
        elif not check:
            page.write_text(text, encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))

"""``python -m s3servers build | up | down``: what ``make s3-…`` calls."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

from harness.errors import ClusterError
from harness.progress import Progress

from s3servers import build, swift, versity

_BUCKET = "qwex"


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="s3servers", description="An S3 server on this machine.")
    parser.add_argument("command", choices=("build", "up", "down"))
    parser.add_argument("--port", type=int, default=7070, help="default: %(default)s")
    given = parser.parse_args()
    try:
        program = build.gateway(Progress())
        if given.command == "build":
            swift.programs(Progress())
        if given.command == "up":
            _up(program, given.port)
        elif given.command == "down":
            _down()
    except (ClusterError, RuntimeError) as error:
        print(f"s3servers: {error}", file=sys.stderr)
        return 1
    return 0


def _state() -> Path:
    return build.folder() / "running.json"


def _up(program: Path, port: int) -> None:
    _down()
    gateway = versity.started(program, build.folder() / "run", port=port, detached=True)
    (gateway.folder / "data" / _BUCKET).mkdir(exist_ok=True)
    _state().write_text(json.dumps({"pid": gateway.process.pid, "program": str(program)}))
    print(
        f"""
An S3 server (the Versity gateway) listens at {gateway.endpoint} until: make s3-down
Its objects are files in {gateway.folder / "data"}; they stay. Lines for ~/.config/qwex/config.toml:

artifacts = "s3://{_BUCKET}/artifacts"
[s3]
endpoint = "{gateway.endpoint}"
allow_http = true
access_key_id = "{gateway.key}"
secret_access_key = "{gateway.secret}"

Then qwex controller stop, so that the next command starts it with them."""
    )


def _down() -> None:
    with contextlib.suppress(OSError, ValueError):
        state = json.loads(_state().read_text())
        running = Path(f"/proc/{state['pid']}/exe").resolve()
        if running == Path(state["program"]).resolve():  # else another process has the number by now
            os.kill(state["pid"], signal.SIGTERM)
    _state().unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())

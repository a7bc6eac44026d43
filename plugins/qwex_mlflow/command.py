"""``qwex mlflow ui``: MLflow's pages, over the server that jobs are recorded by or the store on this machine."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from importlib.util import find_spec
from typing import TYPE_CHECKING

from qwex import config
from qwex.errors import ConfigError
from qwex_mlflow import settings
from qwex_mlflow.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["main"]

#: Seconds that a server may take to answer.
_PATIENCE = 120.0
_PORT = 5000


def main(argv: Sequence[str]) -> int:
    """Run ``qwex mlflow`` with these words; the exit code."""
    parser = argparse.ArgumentParser(prog="qwex mlflow", description="MLflow, where jobs are recorded")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    ui = commands.add_parser("ui", help="open MLflow's pages", description="Open MLflow's pages; Ctrl-C ends them.")
    ui.add_argument("--port", type=int, default=0, help=f"of the pages (default {_PORT}, or a free one)")
    ui.add_argument("--no-browser", action="store_true", help="print the address only")
    commands.add_parser("uri", help="print where jobs are recorded, for MLFLOW_TRACKING_URI")
    given = parser.parse_args(argv)
    folder = config.load().folder / "mlflow"
    place = _place(folder)
    if given.command == "uri":
        sys.stdout.write(f"{place}\n")
        return 0
    if settings.is_remote(place):
        return _show(place, open_it=not given.no_browser)
    return _serve(place, folder, given.port or _free_port(), open_it=not given.no_browser)


def _place(folder: Path) -> str:
    """Where jobs of this shell are recorded.

    Raises:
        ConfigError: nowhere.
    """
    read = config.read_section("mlflow", settings.MlflowSettings, config.load().section("mlflow"))
    place = settings.here(os.environ, os.getcwd()) or settings.place_of(read, os.environ, None, folder)
    if place is None:
        raise ConfigError(
            "jobs are not recorded in MLflow here. Name a server with MLFLOW_TRACKING_URI or [mlflow] tracking_uri, "
            "or have a store on this machine: pip install 'qwex[mlflow]'"
        )
    return place.uri


def _show(url: str, *, open_it: bool) -> int:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()  # who reads a pipe waits for it, and the server runs on
    if open_it:
        webbrowser.open(url)
    return 0


def _serve(uri: str, folder: Path, port: int, *, open_it: bool) -> int:
    """Run MLflow's own server over the store until it is ended.

    Raises:
        ConfigError: all of MLflow is needed for that, and is not there.
    """
    if find_spec("flask") is None or find_spec("mlflow.server.handlers") is None:  # the latter imports the former
        raise ConfigError("MLflow's pages need all of it: pip install mlflow")
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    store = LocalStore(uri, folder)
    store.call("POST", "experiments/search", {"max_results": 1})  # which makes it where there is none
    store.close()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", uri, "--artifacts-destination", str(folder / "artifacts")]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "ui.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env={**os.environ, **quiet}, stdout=log, stderr=log)
    # Ended like this, it would leave the server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        sys.stderr.write("MLflow starts; Ctrl-C ends it\n")
        _wait(server, port, folder)
        _show(f"http://127.0.0.1:{port}", open_it=open_it)
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        server.terminate()
        server.wait()


def _wait(server: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    give_up = time.monotonic() + _PATIENCE
    while time.monotonic() < give_up and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise ConfigError(f"MLflow's server does not answer; it says why in {folder / 'ui.log'}")


def _free_port() -> int:
    for port in (_PORT, 0):
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(free.getsockname()[1])
    return _PORT

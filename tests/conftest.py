"""Fixtures for all tests: a private home with a short path, and nothing left behind in it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from leftovers import end_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3servers.swift import Swift
    from s3servers.versity import Gateway


def pytest_configure() -> None:
    """Whoever runs the tests in the background may have them, and all they start, ignore what Ctrl-C sends."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What needs a cluster is skipped unless somebody asked for one."""
    asked = os.environ.get("QWEX_CLUSTER") == "1" or re.search(r"\bcluster\b", config.getoption("markexpr"))
    for item in items:
        if item.get_closest_marker("cluster"):
            # The first test waits for the start of the cluster as well.
            item.add_marker(pytest.mark.timeout(300))
            if not asked:
                item.add_marker(pytest.mark.skip(reason="needs a cluster: make cluster-build, then QWEX_CLUSTER=1"))


@pytest.fixture
def anyio_backend() -> str:
    """What coroutines of tests run on."""
    return "asyncio"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private QWEX_HOME (Unix sockets need short paths) and configuration; its processes end with the test."""
    folder = Path(tempfile.mkdtemp(prefix="qx", dir="/tmp"))
    for name in [name for name in os.environ if name.startswith("QWEX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("QWEX_HOME", str(folder / "h"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "c"))
    monkeypatch.setenv("NO_COLOR", "1")
    # A store of MLflow's takes seconds to make; the tests of that plugin turn it on.
    monkeypatch.setenv("QWEX_MLFLOW__ENABLED", "false")
    yield folder / "h"
    end_all(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A real S3 server; built when it is first needed, which takes some two minutes."""
    from harness.errors import ClusterError
    from harness.progress import silent
    from s3servers import build, versity

    try:
        program = build.gateway(silent)
    except ClusterError as error:
        pytest.skip(str(error))
    running = versity.started(program, tmp_path_factory.mktemp("s3"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    """A second S3 server, of another make; installed when it is first needed, which takes a minute."""
    from harness.progress import silent
    from s3servers import swift

    try:
        commands = swift.programs(silent)
    except RuntimeError as error:
        pytest.skip(str(error))
    running = swift.started(commands, tmp_path_factory.mktemp("swift") / "all")
    yield running
    running.stop()

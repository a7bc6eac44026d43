"""OpenStack Swift with its S3 face: a second server of another make, four processes, one replica, one folder."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from harness import places
from harness.network import free_ports

from s3servers import build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Swift", "programs", "started"]

_REQUIREMENTS = ("swift==2.38.3",)
_PARTS = ("account", "container", "object")
_SECONDS = 60
_ACCOUNT, _USER, _SECRET = "tests", "qwex", "a-secret-of-the-tests"
_PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {folder}
user = {login}
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats s3api tempauth bulk slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{user} = {secret} .admin
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
"""
_SERVER = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {folder}
devices = {folder}
mount_check = false
user = {login}
[pipeline:main]
pipeline = {part}-server
[app:{part}-server]
use = egg:swift#{part}
"""


@dataclass
class Swift:
    """Its processes, the proxy last."""

    folder: Path
    port: int
    processes: list[subprocess.Popen[bytes]]

    @property
    def endpoint(self) -> str:
        """Where the proxy listens."""
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **more: Any) -> dict[str, Any]:
        """A section ``[s3]`` for it."""
        return {"endpoint": self.endpoint, "allow_http": True, **self._keys(), **more}

    def bucket(self) -> str:
        """A new one."""
        from obstore import sign
        from obstore.store import S3Store

        name = f"bucket-{secrets.token_hex(6)}"
        # In this style the bucket is part of the host, and the key, which is the bucket to make, all of the path.
        above = S3Store("bucket", virtual_hosted_style_request=True, **self._keys(), endpoint=self.endpoint)
        url = sign(above, "PUT", name, timedelta(seconds=60))
        urllib.request.urlopen(urllib.request.Request(url, method="PUT")).close()
        return name

    @staticmethod
    def _keys() -> dict[str, str]:
        return {"region": "us-east-1", "access_key_id": f"{_ACCOUNT}:{_USER}", "secret_access_key": _SECRET}

    def stop(self) -> None:
        """End all."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def programs(say: Callable[[str], None]) -> Path:
    """The folder of its commands, in a virtual environment that is made once.

    Raises:
        RuntimeError: it cannot be installed here.
    """
    name = places.digest([sys.version, *_REQUIREMENTS])
    folder = build.folder() / f"swift-{name}"
    with places.locked(build.folder() / f"swift-{name}.lock", lambda: say("another process installs Swift")):
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            done = subprocess.run([*pip, *_REQUIREMENTS], capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"OpenStack Swift cannot be installed here: {done.stderr.strip()[-300:]}")
            (folder / "done").touch()
    return folder / "bin"


def started(commands: Path, folder: Path) -> Swift:
    """All four processes, of which the proxy answers.

    Raises:
        RuntimeError: it does not; the message has its last words.
    """
    import getpass

    (folder / "sd").mkdir(parents=True)
    (folder / "swift.conf").write_text(f"[swift-hash]\nswift_hash_path_suffix = {secrets.token_hex(8)}\n")
    ports = free_ports(4)
    words = {"folder": folder, "login": getpass.getuser(), "account": _ACCOUNT, "user": _USER, "secret": _SECRET}
    for part, port in zip(_PARTS, ports, strict=False):
        (folder / f"{part}.conf").write_text(_SERVER.format(part=part, port=port, **words))
        _ring(commands, folder, part, port)
    (folder / "proxy.conf").write_text(_PROXY.format(port=ports[3], **words))
    processes = [_process(commands, folder, part) for part in (*_PARTS, "proxy")]
    swift = Swift(folder, ports[3], processes)
    if not _answers(swift):
        swift.stop()
        logs = "\n".join((folder / f"{part}.log").read_text()[-600:] for part in (*_PARTS, "proxy"))
        raise RuntimeError(f"OpenStack Swift did not start:\n{logs}")
    return swift


def _ring(commands: Path, folder: Path, part: str, port: int) -> None:
    builder = folder / f"{part}.builder"
    for words in (["create", "2", "1", "0"], ["add", f"r1z1-127.0.0.1:{port}/sd", "1"], ["rebalance"]):
        subprocess.run([commands / "swift-ring-builder", builder, *words], check=True, capture_output=True)


def _process(commands: Path, folder: Path, part: str) -> subprocess.Popen[bytes]:
    with (folder / f"{part}.log").open("ab") as log:
        return subprocess.Popen(
            [commands / "python", commands / f"swift-{part}-server", folder / f"{part}.conf", "--verbose"],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )


def _answers(swift: Swift) -> bool:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end and all(process.poll() is None for process in swift.processes):
        with contextlib.suppress(OSError):
            swift.bucket()
            return True
        time.sleep(0.1)
    return False

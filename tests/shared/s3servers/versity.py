"""A running gateway: one process, one folder, one address."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.network import free_ports

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Gateway", "started"]

_SECONDS = 20
_KEY, _SECRET = "qwex", "a-secret-of-the-tests"


@dataclass
class Gateway:
    """Buckets are folders of ``folder``."""

    program: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    is_tls: bool = False
    host: str = "127.0.0.1"
    key: str = _KEY
    secret: str = _SECRET

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http{'s' * self.is_tls}://{self.host}:{self.port}"

    def bucket(self) -> str:
        """A new one."""
        name = f"bucket-{secrets.token_hex(6)}"
        (self.folder / "data" / name).mkdir()
        return name

    def settings(self, **more: Any) -> dict[str, Any]:
        """A section ``[s3]`` for it."""
        keys = {"access_key_id": self.key, "secret_access_key": self.secret}
        return {"endpoint": self.endpoint, "allow_http": True, "region": "us-east-1", **keys, **more}

    def user(self) -> dict[str, str]:
        """The keys of a new user, who owns nothing."""
        key, secret = f"user-{secrets.token_hex(4)}", secrets.token_hex(16)
        asked = ["--access", self.key, "--secret", self.secret, "--endpoint-url", self.endpoint]
        subprocess.run(
            [self.program, "admin", *asked, "create-user", "-a", key, "-s", secret, "-r", "user"],
            check=True,
            capture_output=True,
        )
        return {"access_key_id": key, "secret_access_key": secret}

    def parts(self, bucket: str) -> list[Path]:
        """What lies there of multipart uploads that have not been finished."""
        return [path for path in (self.folder / "data" / bucket / ".sgwtmp").rglob("*") if path.is_file()]

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def started(
    program: Path,
    folder: Path,
    *,
    port: int = 0,
    detached: bool = False,
    tls: tuple[Path, Path] | None = None,
    host: str = "127.0.0.1",
) -> Gateway:
    """A gateway that answers; with ``port`` 0 on a free one, with ``tls``, a certificate and its key, over HTTPS.

    Raises:
        RuntimeError: it did not start; the message has its last words.
    """
    for name in ("data", "iam"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for _ in range(5):
        chosen = port or free_ports(1)[0]
        process = _process(program, folder, f"{host}:{chosen}", detached, tls)
        gateway = Gateway(program, folder, chosen, process, bool(tls), host)
        if _answers(gateway):
            return gateway
        gateway.stop()  # somebody else took the port in between
    raise RuntimeError(f"the S3 gateway did not start:\n{(folder / 'log').read_text()[-2000:]}")


def _process(
    program: Path, folder: Path, address: str, detached: bool, tls: tuple[Path, Path] | None
) -> subprocess.Popen[bytes]:
    words = [program, "--quiet", "--port", address, "--iam-dir", folder / "iam"]
    words += ["--cert", tls[0], "--key", tls[1]] if tls else []
    words += ["posix", folder / "data"]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            words,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "ROOT_ACCESS_KEY": _KEY, "ROOT_SECRET_KEY": _SECRET},
            start_new_session=detached,
        )


def _answers(gateway: Gateway) -> bool:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end and gateway.process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((gateway.host, gateway.port), 1):
            return gateway.process.poll() is None
        time.sleep(0.02)
    return False

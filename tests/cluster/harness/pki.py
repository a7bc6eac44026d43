"""One authority, every certificate it signs, and the kubeconfigs that hold them."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import TYPE_CHECKING

from harness.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Authority", "request"]

_DAYS = "3650"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """A folder with ``ca.crt``, ``ca.key``, and a pair for each name that was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self) -> None:
        """Make the authority, and the key that signs service accounts' tokens."""
        self.folder.mkdir(parents=True, mode=0o700)
        _openssl("req", "-x509", *_KEY, "-keyout", self.key("ca"), "-out", self.certificate("ca"), "-days", _DAYS,
                 "-subj", "/CN=qwex-test-ca")  # fmt: skip
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.folder / "sa.key")
        _openssl("ec", "-in", self.folder / "sa.key", "-pubout", "-out", self.folder / "sa.pub")

    def issue(self, name: str, common_name: str, *, groups: Iterable[str] = (), hosts: Iterable[str] = ()) -> None:
        """Sign a certificate for both ends of a connection; Kubernetes reads the user and the groups from it."""
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={common_name}"
        names = [f"{'IP' if host[0].isdigit() else 'DNS'}:{host}" for host in hosts]
        extensions = ["-addext", "extendedKeyUsage=serverAuth,clientAuth"]
        extensions += ["-addext", f"subjectAltName={','.join(names)}"] if names else []
        _openssl("req", "-x509", *_KEY, "-CA", self.certificate("ca"), "-CAkey", self.key("ca"), "-days", _DAYS,
                 "-keyout", self.key(name), "-out", self.certificate(name), "-subj", subject, *extensions)  # fmt: skip

    def key(self, name: str) -> Path:
        """The private key's file."""
        return self.folder / f"{name}.key"

    def certificate(self, name: str) -> Path:
        """The certificate's file."""
        return self.folder / f"{name}.crt"

    def bundle(self) -> str:
        """The authority's certificate as Kubernetes objects hold it."""
        return base64.b64encode(self.certificate("ca").read_bytes()).decode()

    def kubeconfig(self, name: str, server: str, path: Path | None = None) -> Path:
        """Write a kubeconfig that needs no other file; JSON, which is YAML."""
        path = path or self.folder / f"{name}.kubeconfig"
        encoded = {
            "client-certificate-data": base64.b64encode(self.certificate(name).read_bytes()).decode(),
            "client-key-data": base64.b64encode(self.key(name).read_bytes()).decode(),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "qwex", "cluster": {"server": server, "certificate-authority-data": self.bundle()}}],
            "users": [{"name": name, "user": encoded}],
            "contexts": [{"name": "qwex", "context": {"cluster": "qwex", "user": name}}],
            "current-context": "qwex",
        }
        path.touch(0o600)
        path.write_text(json.dumps(config, indent=1))
        return path


def request(subject: str, key: Path, request: Path) -> None:
    """Make a key, and write what asks another authority to sign for it."""
    _openssl("req", "-new", *_KEY, "-keyout", key, "-out", request, "-subj", subject)


def _openssl(*words: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"openssl {words[0]} failed (version 3 is needed): {done.stderr.strip()[-500:]}")

"""Who asks the API server for the way in: the kubeconfig, read as lightly as a process for each ssh has to.

The controller's own reading is ``kubeconfig``, by the client library, which takes half a second to import.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from qwex.door import DoorError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Access", "access"]

_DEFAULT = "~/.kube/config"
#: Where Kubernetes puts the account of a pod.
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
#: Seconds for a credential plugin's answer.
_PLUGIN = 60.0


@dataclass(frozen=True)
class Access:
    """Where the API server is, and how it is told who asks."""

    server: str
    token: str = ""
    authority: str | None = None
    is_verified: bool = True
    #: Certificate and key, as PEM.
    certificate: tuple[bytes, bytes] | None = None
    #: The name that its certificate has, where that is not the URL's.
    tls_name: str = ""

    @property
    def host(self) -> str:
        """Host and port, as a request's head has them."""
        return urlsplit(self.server).netloc

    @property
    def prefix(self) -> str:
        """What stands before every path."""
        return urlsplit(self.server).path.rstrip("/")

    def connection(self, timeout: float) -> socket.socket:
        """A connection to it, encrypted where its URL says so.

        Raises:
            OSError: it cannot be reached, or is not who it should be.
        """
        parts = urlsplit(self.server)
        host, is_secure = parts.hostname or "", parts.scheme == "https"
        plain = socket.create_connection((host, parts.port or (443 if is_secure else 80)), timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not is_secure:
            return plain
        context = ssl.create_default_context(cadata=self.authority)
        if not self.is_verified:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.certificate:
            _load(context, *self.certificate)
        return context.wrap_socket(plain, server_hostname=self.tls_name or host)


def access(door: Mapping[str, Any]) -> Access:
    """From the door's kubeconfig and context, ``$KUBECONFIG``, the usual file, or the account of this pod.

    The door's are its controller's, which may run elsewhere: what is not here is looked for in one's own.

    Raises:
        DoorError: names the file, and what is wrong with it.
    """
    files, named = _files(door.get("kubeconfig") or "")
    if not files:
        return _of_this_pod(named)
    try:
        return _of_kubeconfig(files, named, door)
    except DoorError:
        raise
    except Exception as error:  # a broken file makes this raise whatever it is
        raise DoorError(f"kubeconfig {named} cannot be used: {type(error).__name__}: {error}") from None


def _files(given: str) -> tuple[list[str], str]:
    """The files there are, and what names them; those that are named first, then one's own."""
    usual = os.environ.get("KUBECONFIG") or _DEFAULT
    for named in filter(None, (given, usual)):
        files = [os.path.expanduser(each) for each in named.split(os.pathsep) if each]
        if found := [each for each in files if os.access(each, os.R_OK)]:
            return found, named
    return [], usual


def _of_this_pod(named: str) -> Access:
    """As the pod's own account, where this is one and no kubeconfig was named."""
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{each}", "") for each in ("HOST", "PORT"))
    if named != _DEFAULT or not host or not port:
        raise DoorError(f"there is no kubeconfig {named} that can be read; name another with $KUBECONFIG")
    token, authority = (_file(f"{_ACCOUNT}/{name}").decode().strip() for name in ("token", "ca.crt"))
    return Access(f"https://{f'[{host}]' if ':' in host else host}:{port}", token, authority)


def _of_kubeconfig(files: Sequence[str], named: str, door: Mapping[str, Any]) -> Access:
    content: dict[str, dict[str, Any]] = {"contexts": {}, "clusters": {}, "users": {}}
    current = ""
    for path in files:
        raw = _read(path)
        current = current or raw.get("current-context") or ""
        for kind, known in content.items():
            for each in raw.get(kind) or ():
                known.setdefault(each["name"], _absolute(each.get(kind[:-1]) or {}, path))
    given = door.get("context")
    wanted = _leading_to(content, given if given in content["contexts"] else current, door.get("server") or "")
    try:
        context = content["contexts"][wanted]
        cluster, user = content["clusters"][context["cluster"]], content["users"].get(context.get("user"), {})
    except KeyError as error:
        raise DoorError(f"kubeconfig {named}: the context {wanted!r} is not whole: there is no {error}") from None
    return _access(cluster, user)


def _leading_to(content: Mapping[str, Mapping[str, Any]], first: str, server: str) -> str:
    """The context of the machine's own cluster: that one, unless it leads elsewhere by now and another there."""

    def leads(name: str) -> bool:
        cluster = content["clusters"].get((content["contexts"].get(name) or {}).get("cluster") or "") or {}
        return str(cluster.get("server") or "").rstrip("/") == server.rstrip("/")

    return first if not server or leads(first) else next(filter(leads, content["contexts"]), first)


def _access(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> Access:
    authority = _pem(cluster, "certificate-authority")
    token = user.get("token") or ""
    if path := user.get("tokenFile"):
        token = _file(path).decode().strip()
    certificate, private = _pem(user, "client-certificate"), _pem(user, "client-key")
    if plugin := user.get("exec"):
        token, certificate, private = _from_plugin(plugin)
    return Access(
        cluster["server"],
        token,
        authority.decode() if authority else None,
        not cluster.get("insecure-skip-tls-verify"),
        (certificate, private) if certificate and private else None,
        cluster.get("tls-server-name") or "",
    )


def _read(path: str) -> dict[str, Any]:
    text = _file(path)
    if text.lstrip().startswith(b"{"):
        return dict(json.loads(text))
    import yaml  # twenty milliseconds, for those who keep it as YAML

    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        raise DoorError(f"kubeconfig {path} cannot be read: {error}") from None


def _absolute(entry: dict[str, Any], path: str) -> dict[str, Any]:
    """Files of a kubeconfig are named from where it lies."""
    names = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
    found = {name: os.path.join(os.path.dirname(os.path.abspath(path)), entry[name]) for name in names if name in entry}
    return {**entry, **found}


def _pem(entry: Mapping[str, Any], name: str) -> bytes | None:
    if data := entry.get(f"{name}-data"):
        return base64.b64decode(data)
    return _file(entry[name]) if entry.get(name) else None


def _file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise DoorError(f"{path}, which says who asks, cannot be read: {error.strerror}") from None


def _from_plugin(plugin: Mapping[str, Any]) -> tuple[str, bytes | None, bytes | None]:
    """What a credential plugin answers, as client-go asks it."""
    asked = {"apiVersion": plugin.get("apiVersion"), "kind": "ExecCredential", "spec": {"interactive": False}}
    variables = {each["name"]: each["value"] for each in plugin.get("env") or ()}
    environment = {**os.environ, **variables, "KUBERNETES_EXEC_INFO": json.dumps(asked)}
    command = [plugin["command"], *(plugin.get("args") or ())]
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=_PLUGIN, check=True
        )
        status = json.loads(done.stdout)["status"]
    except (OSError, subprocess.SubprocessError, ValueError, LookupError) as error:
        raise DoorError(f"the program {plugin['command']!r}, which gives credentials, failed: {error}") from None
    pems = (status.get("clientCertificateData"), status.get("clientKeyData"))
    certificate, private = (pem.encode() if pem else None for pem in pems)
    return status.get("token") or "", certificate, private


def _load(context: ssl.SSLContext, certificate: bytes, private: bytes) -> None:
    """OpenSSL takes certificates from files alone; this one lives as long as it is read."""
    with tempfile.NamedTemporaryFile(prefix="qwex-") as file:  # 0600
        file.write(certificate + b"\n" + private)
        file.flush()
        context.load_cert_chain(file.name)

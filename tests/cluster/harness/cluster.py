"""A cluster: one built here, one that kind runs, or one that is there already."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import build, controlplane, host, kueue, kwok, node, objects, pki, places, store
from harness.errors import ClusterError, NotSupported
from harness.layout import Layout
from harness.processes import Processes, leftovers
from harness.progress import silent
from harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["BuiltCluster", "Cluster", "ExistingCluster"]


class Cluster(ABC):
    """A Kubernetes with Kueue, reached through its kubeconfig."""

    #: Whether single parts can be stopped and started again.
    has_faults = False
    #: Whether the images of ``harness.images`` are on its node.
    has_images = False
    #: This machine's address as pods see it; empty where that is not known.
    host = ""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self.kubeconfig = kubeconfig
        #: Where files of this cluster may be written.
        self.folder = folder

    def kubectl(self, *words: str, input: str | None = None, check: bool = True) -> str:
        """What kubectl printed.

        Raises:
            ClusterError: it failed, and ``check`` was not turned off; the text is what it said.
        """
        done = self.run_kubectl(*words, input=input)
        if done.returncode and check:
            raise ClusterError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def run_kubectl(self, *words: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
        """Exit code, output and errors of kubectl."""
        command = [self.kubectl_path(), "--kubeconfig", str(self.kubeconfig), *words]
        return subprocess.run(command, input=input, capture_output=True, text=True, check=False)

    def get(self, *words: str) -> Any:
        """``kubectl get … -o json``; None when there is no such object."""
        text = self.kubectl("get", *words, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def list(self, *words: str) -> list[Any]:
        """The items of ``kubectl get … -o json``."""
        found = self.get(*words)
        return found["items"] if found else []

    def apply(self, *things: Mapping[str, Any], namespace: str | None = None) -> None:
        """Create or change objects, all with one call."""
        words = ["apply", "--server-side", "--force-conflicts", "-f", "-"]
        self.kubectl(*words, *(["-n", namespace] if namespace else []), input="\n---\n".join(map(json.dumps, things)))

    def delete(self, *words: str, wait: bool = False) -> None:
        """``kubectl delete``; what is gone already is fine."""
        self.kubectl("delete", *words, "--ignore-not-found", f"--wait={str(wait).lower()}")

    def kubectl_path(self) -> str:
        """The program: the one on PATH, or the one that was built."""
        return shutil.which("kubectl") or build.binaries()["kubectl"]

    def kubeconfig_for(self, user: str, groups: Iterable[str] = ()) -> Path:
        """A kubeconfig for an ordinary user, whom the cluster knows by a certificate; rights are given by a binding."""
        groups = list(groups)
        path = self.folder / f"{places.digest([user, *groups])}.kubeconfig"
        if not path.exists():
            name = f"qwex-{places.digest([user, *groups, str(time.time_ns())])}"
            with tempfile.TemporaryDirectory() as folder:
                key, request = Path(folder) / "key", Path(folder) / "request"
                subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
                pki.request(subject, key, request)
                self.apply(objects.signing_request(name, request.read_text()))
                self.kubectl("certificate", "approve", name)
                path_of = "{.status.certificate}"
                words = ("get", "csr", name, "-o", f"jsonpath={path_of}")
                certificate = wait_until(lambda: self.kubectl(*words).strip(), f"the certificate of {user}", 30)
                config = json.loads(self.kubectl("config", "view", "--minify", "--raw", "--flatten", "-o", "json"))
                encoded = base64.b64encode(key.read_bytes()).decode()
                config["users"] = [
                    {"name": user, "user": {"client-certificate-data": certificate, "client-key-data": encoded}}
                ]
                config["contexts"][0]["context"]["user"] = user
                path.touch(0o600)
                path.write_text(json.dumps(config, indent=1))
        return path

    def prepare(self) -> None:
        """Make the flavors and queues that tests count on; idempotent."""
        wait_until(self._queues_made, "Kueue to take its queues", 60, pause=0.2)

    def _queues_made(self) -> bool:
        """Whether they are there; its webhooks may not answer at first."""
        try:
            self.apply(*objects.standard_queues(default_namespace=self.has_images))
        except ClusterError as error:
            if "webhook" not in str(error) and "no matches for kind" not in str(error):
                raise
            return False
        return True

    @abstractmethod
    def close(self) -> None:
        """Be done with it; one that is there for others lives on."""

    def stop_apiserver(self) -> None:
        """Nobody answers any more."""
        raise NotSupported(f"{type(self).__name__}: the API server cannot be stopped")

    def start_apiserver(self) -> None:
        """Start it with all its data at its old address, and wait until it is ready."""
        raise NotSupported(f"{type(self).__name__}: the API server cannot be started")

    def stop_kueue(self) -> None:
        """Nothing is admitted, and what its webhooks see cannot be created."""
        raise NotSupported(f"{type(self).__name__}: Kueue cannot be stopped")

    def start_kueue(self) -> None:
        """Start it, and wait until its webhooks answer."""
        raise NotSupported(f"{type(self).__name__}: Kueue cannot be started")

    def stop_kubelet(self) -> None:
        """Containers run on; nobody looks after them."""
        raise NotSupported(f"{type(self).__name__}: kubelet cannot be stopped")

    def start_kubelet(self) -> None:
        """Start it, and wait until the node is Ready and has its GPUs."""
        raise NotSupported(f"{type(self).__name__}: kubelet cannot be started")


class ExistingCluster(Cluster):
    """What QWEX_TEST_KUBECONFIG names, used as it is."""

    def __init__(self, kubeconfig: Path) -> None:
        if not kubeconfig.is_file():
            raise ClusterError(f"QWEX_TEST_KUBECONFIG names {kubeconfig}, which is no file")
        self._scratch = tempfile.TemporaryDirectory(prefix="qwex-cluster-")
        super().__init__(kubeconfig, Path(self._scratch.name))

    def close(self) -> None:
        """Leave it alone."""
        self._scratch.cleanup()


class BuiltCluster(Cluster):
    """Processes of this machine, built from Go modules."""

    has_faults = True

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout.kubeconfig, layout.folder)
        self.layout = layout
        self.processes = layout.processes
        self.has_images = layout.subnet is not None
        self.host = layout.subnet.gateway if layout.subnet else ""

    @classmethod
    def start(
        cls, name: str, *, node: bool = True, keep: bool = False, say: Callable[[str], None] = silent
    ) -> BuiltCluster:
        """Start a cluster, or take part in the one of that name.

        It lives until everybody who called this has closed it or ended, with ``keep`` until ``down``.

        Raises:
            ClusterError: something is missing, or a part did not come up; the text has the end of its log.
        """
        host.need_root()
        build.binaries()
        host.packages(say)
        host.limits()
        folder = places.folder_of(name)
        with places.locked(folder.with_suffix(".lock"), lambda: say(f"another process starts or stops {name}")):
            running = cls.find(folder)
            if running:
                say(f"cluster {name} is up")
            else:
                sweep(folder)
                _sweep_others()
                running = cls._start(folder, node=node, remove=not keep, say=say)
            running.processes.hold()
            if keep:
                running.processes.keep()
        return running

    @classmethod
    def find(cls, folder: Path) -> BuiltCluster | None:
        """The cluster in that folder, if it came up and still runs."""
        try:
            layout = Layout.load(folder)
        except FileNotFoundError:
            return None
        if not (folder / "ready").exists() or not layout.processes.alive():
            return None
        return cls(layout)

    @classmethod
    def _start(cls, folder: Path, *, node: bool, remove: bool, say: Callable[[str], None]) -> BuiltCluster:
        images = store.filled(say) if node else None
        layout = Layout.choose(folder, node=node)
        bridge = layout.subnet.bridge if layout.subnet else ""
        layout.processes.launch(cgroup=layout.cgroup, bridge=bridge, remove=remove)
        cluster = cls(layout)
        try:
            _Start(cluster, images, say).run()
        except BaseException:
            cluster.processes.end()
            raise
        (folder / "ready").touch()
        return cluster

    def kubectl_path(self) -> str:
        """The one that was built with it."""
        return self.layout.programs["kubectl"]

    def kubeconfig_for(self, user: str, groups: Iterable[str] = ()) -> Path:
        """Signed here, since the authority is here."""
        groups = list(groups)
        name = f"user-{places.digest([user, *groups])}"
        path = self.folder / "pki" / f"{name}.kubeconfig"
        if not path.exists():
            self.layout.authority.issue(name, user, groups=groups)
            self.layout.authority.kubeconfig(name, self.layout.server)
        return path

    def close(self) -> None:
        """Let go of it; the last one who does ends it, unless it is kept."""
        self.processes.let_go()

    def down(self) -> None:
        """End it, whoever uses it, and return when nothing of it is left."""
        self.processes.end()
        sweep(self.folder)

    def stop_apiserver(self) -> None:
        """At once, as a crash does."""
        self.processes.kill("apiserver")

    def start_apiserver(self) -> None:
        """On the same port; etcd has kept everything."""
        controlplane.start_apiserver(self.layout)

    def freeze_apiserver(self) -> None:
        """It takes connections and answers nobody."""
        self.processes.signal("apiserver", signal.SIGSTOP)

    def thaw_apiserver(self) -> None:
        """It goes on where it was."""
        self.processes.signal("apiserver", signal.SIGCONT)

    def stop_kueue(self) -> None:
        """At once, as a crash does."""
        self.processes.kill("kueue")

    def start_kueue(self) -> None:
        """It reads its state from the cluster."""
        kueue.start(self.layout)

    def stop_kubelet(self) -> None:
        """At once, as a crash does."""
        self.processes.kill("kubelet")

    def start_kubelet(self) -> None:
        """It finds its containers again."""
        node.start_kubelet(self.layout)


class _Start:
    """Brings the parts of a new cluster up, each as soon as what it needs is there."""

    def __init__(self, cluster: BuiltCluster, images: Path | None, say: Callable[[str], None]) -> None:
        self.layout, self.cluster, self.images, self.say = cluster.layout, cluster, images, say
        self._apiserver = threading.Event()
        self._failed = threading.Event()
        self._first: BaseException | None = None

    def run(self) -> None:
        """Return when all are up; the first failure is raised."""
        work: list[Callable[[], None]] = [self._control_plane, self._queue]
        if self.images:
            work += [self._node, self._fake_node]
        with ThreadPoolExecutor(len(work)) as pool:
            futures: list[Future[None]] = [pool.submit(self._guard, each) for each in work]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                if not all(future.done() for future in futures):
                    # The others wait for parts that need not come up any more.
                    self._failed.set()
                    self.cluster.processes.end()
        errors = [error for future in futures if (error := future.exception())]
        if errors:
            raise min(errors, key=lambda error: error is not self._first)
        self.cluster.prepare()

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._first = self._first or error
            self._failed.set()
            raise

    def _control_plane(self) -> None:
        controlplane.issue(self.layout)
        controlplane.start_etcd(self.layout)
        controlplane.start_apiserver(self.layout)
        self.say("API server ready")
        self._apiserver.set()
        controlplane.start_controllers(self.layout)
        self.say("controllers and scheduler ready")

    def _queue(self) -> None:
        self._wait_for_apiserver()
        kueue.install(self.layout)
        self.say("Kueue ready")

    def _node(self) -> None:
        assert self.images is not None
        node.start_containerd(self.layout, self.images)
        self._wait_for_apiserver()
        node.start_kubelet(self.layout)
        self.say(f"node {self.layout.node} ready")

    def _fake_node(self) -> None:
        self._wait_for_apiserver()
        kwok.start(self.layout)

    def _wait_for_apiserver(self) -> None:
        while not self._apiserver.wait(0.1):
            if self._failed.is_set():
                raise ClusterError("the control plane did not come up")


def sweep(folder: Path) -> None:
    """Remove what is left of a cluster that no longer runs, or that never came up."""
    if not folder.exists():
        return
    Processes(folder).end()
    try:
        layout = Layout.load(folder)
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        shutil.rmtree(folder, ignore_errors=True)
        return
    leftovers(folder, cgroup=layout.cgroup, bridge=layout.subnet.bridge if layout.subnet else "")


def _sweep_others() -> None:
    """Remove what clusters left that were killed; those that somebody starts or stops just now are left alone."""
    for folder in places.folders():
        with suppress(BlockingIOError), places.locked(folder.with_suffix(".lock"), _leave_alone):
            if not Processes(folder).alive():
                sweep(folder)
                folder.with_suffix(".lock").unlink(missing_ok=True)


def _leave_alone() -> None:
    raise BlockingIOError

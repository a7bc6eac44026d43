"""containerd's store with all images in it, filled once; each cluster begins with a copy.

To import the images costs more time than all the rest of a cluster's start: every byte is written twice and summed.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from harness import images, places
from harness.errors import ClusterError
from harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["ctr", "filled", "give"]

_CONFIG = """\
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{folder}/s"
"""


def filled(say: Callable[[str], None]) -> Path:
    """A root folder of containerd that holds every image that this machine can have."""
    archives = [images.make(image, say) for image in images.planned()]
    version = subprocess.check_output(["containerd", "--version"])
    folder = places.cache() / "stores" / places.digest([version, *(archive.name for archive in archives)])
    with places.locked(folder.with_suffix(".lock"), lambda: say("another process imports the images")):
        if not folder.exists():
            say("importing the images, once")
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            _fill(part, archives)
            (part / "root").rename(folder)
            for older in folder.parent.iterdir():
                if older.is_dir() and older != folder:
                    # Clusters that began with it have links of their own.
                    shutil.rmtree(older, ignore_errors=True)
    return folder


def give(store: Path, root: Path) -> None:
    """Make ``root`` a copy of the store.

    Blobs and layers are never changed in place, so that links to them do; databases are.
    """
    root.parent.mkdir(parents=True)
    subprocess.run(["cp", "-al", str(store), str(root)], check=True)
    for database in store.rglob("*.db"):
        copy = root / database.relative_to(store)
        copy.unlink()
        shutil.copy(database, copy)


def ctr(socket: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run containerd's client, in the namespace where kubelet looks."""
    command = ["ctr", "--address", str(socket), "--namespace", "k8s.io", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _fill(folder: Path, archives: list[Path]) -> None:
    """Let a containerd of its own import them; its mounts are seen by nobody."""
    config, log = folder / "config.toml", folder / "log"
    config.write_text(_CONFIG.format(folder=folder))
    with log.open("wb") as file:
        command = ["unshare", "--mount", "containerd", "--config", str(config)]
        containerd = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        wait_until(lambda: ctr(folder / "s", "version").returncode == 0, "containerd", 30)
        for archive in archives:
            done = ctr(folder / "s", "images", "import", str(archive))
            if done.returncode:
                raise ClusterError(f"containerd does not take {archive}: {done.stderr.strip()}")
    except TimeoutError:
        raise ClusterError(f"containerd does not start:\n{log.read_text()[-1500:]}") from None
    finally:
        # By its own means, so that its databases are whole.
        containerd.terminate()
        containerd.wait(30)

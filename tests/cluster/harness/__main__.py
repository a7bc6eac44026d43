"""``python -m harness build | up | down | status``: what ``make cluster-…`` calls."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from harness import build, host, images, objects, places, store
from harness.cluster import BuiltCluster, sweep
from harness.errors import ClusterError
from harness.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Volumes of a cluster that is left running.
_HOMES = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="harness", description="A Kubernetes with Kueue on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build all programs and images, once")
    for command, text in (("up", "start a cluster, or say that it is up"), ("down", "end it")):
        commands.add_parser(command, help=text).add_argument("--name", default="qwex", help="default: %(default)s")
    commands.add_parser("status", help="what runs")
    given = parser.parse_args(argv)
    try:
        if given.command == "build":
            _build()
        elif given.command == "up":
            _up(given.name)
        elif given.command == "down":
            _down(given.name)
        else:
            _status()
    except ClusterError as error:
        print(f"harness: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again", file=sys.stderr)
        return 130
    return 0


def _build() -> None:
    say = Progress()
    build.build(say)
    host.need_root()
    host.packages(say)
    store.filled(say)
    say("all images are made")


def _up(name: str) -> None:
    cluster = BuiltCluster.start(name, keep=True, say=Progress())
    program = cluster.kubectl_path()
    cluster.apply(*objects.homes(_folders(cluster.folder / "homes")))
    print(
        f"""
Kubernetes and Kueue run, and go on until: make cluster-down{"" if name == "qwex" else f" CLUSTER={name}"}
  kubeconfig   {cluster.kubeconfig}
  node         {cluster.layout.node}, a real one with 4 GPUs in name only; kwok0, whose pods only seem to run
  queues       default (4 cpu, 8 GiB, 2 GPUs) and large, in namespace default
  volumes      {_HOMES}, for the homes of dev machines
  images       {", ".join(image.name for image in images.planned()[1:])}
  logs         {cluster.folder / "log"}
Try:
  export KUBECONFIG={cluster.kubeconfig} PATH={program.rpartition("/")[0]}:$PATH
  kubectl get nodes,clusterqueues,localqueues -A"""
    )


def _folders(parent: Path) -> list[Path]:
    """Folders that anybody may write."""
    made = [parent / str(number) for number in range(_HOMES)]
    for folder in made:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
    return made


def _down(name: str) -> None:
    say = Progress()
    folder = places.folder_of(name)
    with places.locked(folder.with_suffix(".lock"), lambda: say(f"another process starts or stops {name}")):
        if not folder.exists():
            say(f"no cluster {name}")
            return
        sweep(folder)
        folder.with_suffix(".lock").unlink(missing_ok=True)
    say(f"cluster {name} is gone")


def _status() -> None:
    for folder in places.folders():
        cluster = BuiltCluster.find(folder)
        if not cluster:
            print(f"{folder.name}: not running; what it left goes with: python -m harness down --name {folder.name}")
            continue
        print(f"{folder.name}: {cluster.kubeconfig}")
        for part, runs in cluster.processes.running().items():
            print(f"  {part:20} {'runs' if runs else 'ended'}")


if __name__ == "__main__":
    sys.exit(main())

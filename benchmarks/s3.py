"""``make bench-s3``: uploads beside s3fs and boto3, in turn in one run; prints the tables of README.md.

Two loads (1,000 files of 10 KiB, one of 1 GiB) against two servers: the Versity gateway, and one that takes everything
and keeps nothing with 20 ms before each answer, so that the client is what is measured.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / folder) for folder in ("cluster", "shared")]

import environments  # noqa: E402
import machine  # noqa: E402
from s3servers import build, versity  # noqa: E402

PEERS = {"qwex": (), "s3fs": ("s3fs>=2025",), "boto3": ("boto3>=1.35",)}
#: Load, the systems that take it, rounds, what is wanted of qwex against each: the name of the goal and the ratio.
LOADS = (
    ("1,000 files of 10 KiB", ("qwex", "s3fs", "boto3"), 5, {"s3fs": 10, "boto3": 10}),
    ("one file of 1 GiB", ("qwex", "s3fs"), 3, {"s3fs": 3}),
)
MEMORY = 200
LATENCY = 0.02


def folders(place):
    """The files of each load."""
    small, large = place / "small", place / "large"
    small.mkdir()
    large.mkdir()
    for number in range(1000):
        (small / f"{number:04}.bin").write_bytes(os.urandom(10 << 10))
    with (large / "one.bin").open("wb") as file:
        for _ in range(128):
            file.write(os.urandom(8 << 20))
    return small, large


@contextlib.contextmanager
def servers(place):
    """``{name: (endpoint, bucket, keys)}``; one folder of the gateway is emptied after each run."""
    gateway = versity.started(build.gateway(print), place / "gateway")
    sink = subprocess.Popen(
        [sys.executable, str(HERE / "drivers/s3_sink.py"), str(LATENCY)], stdout=subprocess.PIPE, text=True
    )
    try:
        port = sink.stdout.readline().strip()
        yield {
            "Versity gateway": (gateway.endpoint, gateway.bucket(), gateway),
            f"null sink, {LATENCY * 1000:g} ms": (f"http://127.0.0.1:{port}", "bucket", gateway),
        }
    finally:
        sink.terminate()
        sink.wait()
        gateway.stop()


def once(python, system, server, folder, number):
    """One upload in a process of its own."""
    endpoint, bucket, gateway = server
    prefix = f"{system}-{number}"
    keys = {"AWS_ACCESS_KEY_ID": gateway.key, "AWS_SECRET_ACCESS_KEY": gateway.secret, "AWS_REGION": "us-east-1"}
    argv = [python, str(HERE / "drivers/s3_upload.py"), system, endpoint, bucket, prefix, str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, **keys}, check=False)
    shutil.rmtree(gateway.folder / "data" / bucket / prefix, ignore_errors=True)
    if done.returncode:
        raise RuntimeError(f"{system}: {done.stderr[-500:]} (code {done.returncode})")
    return json.loads(done.stdout.splitlines()[-1])


def measured(pythons, server, folder, systems, rounds):
    """Every system in turn, round after round."""
    taken = {system: [] for system in systems}
    for number in range(rounds):
        for system in systems:
            taken[system].append(once(pythons[system], system, server, folder, number))
    return taken


def table(taken, goals):
    """Median (least … most) of each, and how many times qwex's time it took."""
    ours = statistics.median(run["seconds"] for run in taken["qwex"])
    print("\n| | median (least … most) | × qwex | peak memory | processor time |\n|---|---|---|---|---|")
    for system, runs in taken.items():
        seconds = sorted(run["seconds"] for run in runs)
        middle, rss = statistics.median(seconds), max(run["rss"] for run in runs)
        cpu = statistics.median(run["cpu"] for run in runs)
        shown = f"{middle:.2f} s ({seconds[0]:.2f} … {seconds[-1]:.2f})"
        print(f"| {system} | {shown} | {middle / ours:.1f} | {rss} MiB | {cpu:.1f} s |")
    for peer, wanted in goals.items():
        ratio = statistics.median(run["seconds"] for run in taken[peer]) / ours
        print(f"\n{peer}: {ratio:.1f}, wanted {wanted}: {'met' if ratio >= wanted else '**not met**'}")
    most = max(run["rss"] for run in taken["qwex"])
    print(f"\nmemory: {most} MiB, wanted {MEMORY} at most: {'met' if most <= MEMORY else '**not met**'}")


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--only", default="", help="a word of the load, such as files")
    given = parser.parse_args()
    pythons = {name: environments.python_of(f"s3-{name}" if wanted else name, wanted) for name, wanted in PEERS.items()}
    print(f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC: {machine.describe()}")
    with tempfile.TemporaryDirectory() as name, servers(Path(name)) as there:
        for folder, (load, systems, rounds, goals) in zip(folders(Path(name)), LOADS, strict=True):
            for server, where in there.items() if given.only in load else ():
                print(f"\n### {load}, {server} (busy before: {machine.busy():.0%})", flush=True)
                table(measured(pythons, where, folder, systems, 1 if given.quick else rounds), goals)


if __name__ == "__main__":
    main()

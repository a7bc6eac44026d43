"""Values larger than a Secret reach pods through S3 and come back through it; no pod holds a key of it."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from harness.errors import ClusterError
from harness.progress import silent
from harness.waiting import wait_until
from jobs import configure, printed, submit
from s3servers import build, versity

import qwex

LARGE = 5_000_000
#: Prints, gives and leaves more than an agent's own log holds.
AWAY = f"""
import os, pathlib
print(os.urandom(4_000_000).hex())
noise = bytes({LARGE})
pathlib.Path(os.environ["QWEX_FILES"], "model.pt").write_bytes(b"m" * {LARGE})
"""


@pytest.fixture(scope="module")
def gateway(cluster, tmp_path_factory):
    """An S3 server at an address that pods reach."""
    if not cluster.host:
        pytest.skip("this cluster's pods do not reach this machine at an address that is known")
    try:
        program = build.gateway(silent)
    except ClusterError as error:
        pytest.skip(str(error))
    running = versity.started(program, tmp_path_factory.mktemp("s3"), host=cluster.host)
    yield running
    running.stop()


@pytest.fixture
def client(user, namespace, gateway, home, tmp_path, monkeypatch):
    """A client of the backend ``kueue`` whose artifacts lie in a bucket."""
    monkeypatch.chdir(tmp_path)
    configure(monkeypatch, user, namespace)
    monkeypatch.setenv("QWEX_ARTIFACTS", f"s3://{gateway.bucket()}/qwex")
    for name, value in gateway.settings().items():
        monkeypatch.setenv(f"QWEX_S3__{name.upper()}", str(value).lower() if isinstance(value, bool) else str(value))
    return qwex.Client()


def test_a_large_value_goes_there_and_back(client, cluster, namespace, gateway, home):
    @qwex.remote(cpu="100m", mem="256Mi")
    def reverse(data):
        return data[::-1]

    data = bytes(range(250)) * (LARGE // 250)
    job = reverse.submit(data)
    assert job.result(90) == data[::-1]
    secrets = json.dumps(cluster.list("-n", namespace, "secrets"))
    assert len(secrets) < LARGE / 2
    kept = [path for path in (gateway.folder / "data").rglob("*") if path.is_file() and path.stat().st_size > LARGE / 2]
    assert len(kept) == 2, "the input and the output"
    assert f"return of {job.id} came straight from its place" in (home / "controller.log").read_text()


def test_no_pod_holds_a_key(client, cluster, namespace, gateway):
    @qwex.remote(cpu="100m", mem="256Mi")
    def look(data):
        import os
        import pathlib

        files = [path for path in pathlib.Path("/qwex").rglob("*") if path.is_file() and path.suffix != ".pyz"]
        return repr(dict(os.environ)) + "".join(path.read_text(errors="replace") for path in files)

    job = look.submit(bytes(LARGE))
    seen = job.result(90)
    assert "X-Amz-Signature" in seen, "it was given an address"
    assert gateway.secret not in seen
    objects = json.dumps([cluster.list("-n", namespace, kind) for kind in ("jobs", "pods", "secrets", "configmaps")])
    assert gateway.secret not in objects
    assert gateway.secret not in printed(job)


@pytest.mark.parametrize(("away", "cleared"), [(signal.SIGKILL, False), (signal.SIGKILL, True), (signal.SIGSTOP, True)])
def test_all_that_a_job_says_and_gives_is_there_for_a_controller_that_was_away(
    client, cluster, namespace, gateway, home, monkeypatch, away, cleared
):
    monkeypatch.setenv("QWEX_KUEUE__LINGER", "2")
    job = submit(client, AWAY, outputs=["noise"])
    wait_until(lambda: cluster.list("-n", namespace, "pods"), "the pod")
    controller = json.loads((home / "controller.json").read_text())["pid"]
    os.kill(controller, away)
    folder = gateway.folder / "data" / os.environ["QWEX_ARTIFACTS"].split("/")[2] / "qwex" / "users"
    (parcel,) = wait_until(lambda: list(folder.glob(f"*/jobs/{job.id}/parcel-1-1")), "the parcel", 90)
    wait_until(lambda: cluster.list("-n", namespace, "pods", "--field-selector=status.phase=Succeeded"), "its end", 60)
    if cleared:  # as Kubernetes does a day later
        cluster.delete("-n", namespace, "jobs", job.id)
        wait_until(lambda: not cluster.list("-n", namespace, "pods"), "no pod")
    if away == signal.SIGSTOP:  # a laptop that slept
        os.kill(controller, signal.SIGCONT)
    job = qwex.Client().job(job.id)
    assert job.wait(90)
    assert job.state == "SUCCEEDED"
    assert len(printed(job)) == 8_000_001, "twice what an agent's own log holds"
    assert job.value("noise") == bytes(LARGE)
    assert job.files["model.pt"].read() == b"m" * LARGE
    wait_until((parcel.parent / "manifest.json").exists, "the manifest", 60)
    wait_until(lambda: not parcel.exists(), "no parcel", 60)


def test_a_job_that_waits_for_longer_than_its_addresses_hold(client, cluster, namespace, cluster_queue, monkeypatch):
    monkeypatch.setenv("QWEX_URL_LIFETIME", "60")
    queue = cluster_queue({"cpu": "4", "memory": "8Gi"}, stopPolicy="Hold")
    began = time.monotonic()

    @qwex.remote(cpu="100m", mem="256Mi", queue=queue, preflight=False)
    def size(data):
        return len(data)

    job = size.submit(bytes(LARGE))
    wait_until(lambda: time.monotonic() - began > 70, "the first addresses to expire", 90)
    patch = ["-p", json.dumps({"spec": {"stopPolicy": "None"}}), "--type=merge"]
    cluster.kubectl("patch", "clusterqueues.kueue.x-k8s.io", queue, *patch)
    assert job.result(90) == LARGE


def test_what_a_job_leaves_outlives_its_pod_and_its_controller(client, cluster, namespace, gateway):
    leave = "pathlib.Path(os.environ['QWEX_FILES'], 'model.pt').write_bytes(bytes(2_000_000))"
    job = submit(client, f"import os, pathlib\n{leave}\nprint('left')")
    assert job.wait(90)
    assert job.files["model.pt"].read() == bytes(2_000_000)
    bucket = os.environ["QWEX_ARTIFACTS"].split("/")[2]
    folder = gateway.folder / "data" / bucket / "qwex" / "users" / job.record.user
    manifest = folder / "jobs" / job.id / "manifest.json"
    wait_until(manifest.exists, "the manifest", 60)
    wait_until(lambda: not cluster.list("-n", namespace, "pods", "--field-selector=status.phase=Running"), "no pod", 60)
    told = json.loads(manifest.read_text())
    (file,) = told["files"]
    digest = file["digest"].removeprefix("sha256:")
    assert (folder / "blobs" / digest[:2] / digest).read_bytes() == bytes(2_000_000)
    assert '"text":"left\\n"' in (manifest.parent / "events.jsonl").read_text()

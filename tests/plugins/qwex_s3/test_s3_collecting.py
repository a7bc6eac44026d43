"""Two controllers of one user over one bucket of a real server: neither removes what the other needs."""

from __future__ import annotations

import json
import os
import time

import pytest
from harness.waiting import wait_until

from qwex import config
from qwex.client import Client

pytestmark = pytest.mark.timeout(600)

DAY = 86_400.0


@pytest.fixture
def bucket(gateway):
    return gateway.bucket()


class Place:
    """One bucket on disk, and two controllers."""

    def __init__(self, folder, home):
        self.folder = folder
        self.clients = [Client(config.load(home=str(home.parent / name))) for name in ("a", "b")]
        self.user = self.clients[0].whoami()["user"]
        self.mine = folder / "users" / self.user

    def blob(self, digest):
        return self.mine / "blobs" / digest[7:9] / digest[7:]

    def a_day_passes(self):
        """All that is there, and all that was said of it, is a day older; the controllers are started anew."""
        for path in [*(self.mine / "blobs").rglob("*")]:
            os.utime(path, (path.stat().st_mtime - 2 * DAY,) * 2)
        for path in self.mine.glob("garbage/*.json"):
            said = json.loads(path.read_text())
            path.write_text(json.dumps({**said, "blobs": {key: at - DAY - 1 for key, at in said["blobs"].items()}}))
        self.stop()

    def stop(self):
        from qwex.client import daemon

        for client in self.clients:
            daemon.end(client.settings.folder, client.health()["pid"])


@pytest.fixture
def place(home, gateway, bucket, monkeypatch):
    monkeypatch.setenv("QWEX_ARTIFACTS", f"s3://{bucket}/qwex")
    for name, value in gateway.settings().items():
        monkeypatch.setenv(f"QWEX_S3__{name.upper()}", str(value).lower() if value is True else value)
    return Place(gateway.folder / "data" / bucket / "qwex", home)


def submitted(client, data, text="len(x)"):
    value = {"digest": client.put_blob(data), "size": len(data), "format": "bytes"}
    return client.submit({"source": {"kind": "cell", "text": text}, "inputs": {"x": value}}), value["digest"]


def test_neither_removes_what_the_other_needs(place, tmp_path):
    a, b = place.clients
    going = tmp_path / "go"
    wait = f"import time, pathlib\nwhile not pathlib.Path({str(going)!r}).exists(): time.sleep(0.05)\nprint(len(x))"
    live, needed = submitted(a, os.urandom(50_000), wait)
    kept, inputs = submitted(a, os.urandom(60_000))
    unneeded = a.put_blob(os.urandom(70_000))
    assert kept.wait(60)
    claim = place.mine / "jobs" / live.id / "inputs.json"
    wait_until(claim.exists, "the claim")
    manifest = place.mine / "jobs" / kept.id / "manifest.json"
    wait_until(manifest.exists, "the manifest")
    assert [each["digest"] for each in json.loads(manifest.read_text())["inputs"]] == [inputs]
    wait_until(lambda: not (manifest.parent / "inputs.json").exists(), "the end of the claim")

    place.a_day_passes()
    first = b.gc(older="1h")
    assert (first.jobs, first.blobs, first.waiting, first.elsewhere) == (0, 0, 1, 1)
    assert b.gc().blobs == 0  # it has not been said for a day
    place.a_day_passes()
    assert b.gc(dry_run=True).blobs == 1
    second = b.gc()
    assert (second.blobs, second.bytes, second.waiting, second.problems) == (1, 70_000, 0, ())
    assert [place.blob(each).exists() for each in (needed, inputs, unneeded)] == [True, True, False]

    going.touch()
    assert live.wait(60)
    assert "".join(live.logs()) == "50000\n"
    assert a.resubmit(kept.id).result(60) == kept.result(60)

    # Once its own controller has removed the job, what it needed goes with the others' next collections.
    wait_until(lambda: a.gc(older="0.001s").live == 0 and not a.list().records, "the removal of all jobs")
    assert [path for path in (place.mine / "jobs").rglob("*") if path.is_file()] == []
    place.a_day_passes()
    assert b.gc().waiting == 2
    place.a_day_passes()
    assert b.gc().blobs == 2
    assert [path for path in (place.mine / "blobs").rglob("*") if path.is_file()] == []


def test_what_is_used_again_after_it_was_said_to_go_stays(place):
    a, b = place.clients
    data = os.urandom(50_000)
    digest = a.put_blob(data)
    place.a_day_passes()
    assert b.gc().waiting == 1
    place.a_day_passes()
    job, _ = submitted(a, data, "print(len(x))")  # it is sent anew
    assert place.blob(digest).stat().st_mtime > time.time() - 600
    done = b.gc()
    assert (done.blobs, done.waiting) == (0, 0)
    assert job.wait(60)
    assert "".join(job.logs()) == "50000\n"


def test_a_manifest_that_cannot_be_read_stops_it(place):
    a, b = place.clients
    digest = a.put_blob(os.urandom(50_000))
    place.a_day_passes()
    assert b.gc().waiting == 1
    place.a_day_passes()
    manifest = place.mine / "jobs" / "theirs" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"version": 99}')
    done = b.gc()
    assert (done.blobs, len(done.problems)) == (0, 1)
    assert "jobs/theirs/manifest.json" in done.problems[0]
    assert "another version of qwex" in done.problems[0]
    assert place.blob(digest).exists()
    manifest.unlink()
    assert b.gc().blobs == 1

"""Preparing a pod's job folder, and what its runner prints."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pickle
import stat
import threading

from qwex.runner import pod as pod_module
from qwex.runner.exits import Exit
from qwex.runner.pod import leave_last_words, prepare


def test_prepared_once_whoever_comes_first(tmp_path):
    description, folder = tmp_path / "description", tmp_path / "disk" / "attempt"
    description.mkdir()
    (description / "job.json").write_text("{}")
    barrier = threading.Barrier(8)

    def come():
        barrier.wait()
        prepare(str(folder), str(description))

    comers = [threading.Thread(target=come) for _ in range(8)]
    for comer in comers:
        comer.start()
    for comer in comers:
        comer.join()
    assert sorted(os.listdir(folder)) == ["bell", "job.json"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_ISFIFO((folder / "bell").stat().st_mode)
    assert (folder / "job.json").read_text() == "{}"
    (folder / "events.jsonl").write_text("kept")
    prepare(str(folder), str(description))
    assert (folder / "events.jsonl").read_text() == "kept"


def test_echo(pod):
    code = "\n".join(
        [
            "import subprocess, sys",
            "print('größe')",
            "display('shown')",
            "subprocess.run(['echo', 'child'])",
            "print('to stderr', file=sys.stderr)",
            "6 * 7",
        ]
    )
    assert pod.end(pod.describe("cell", code).run("--echo")) == (0, "größe\n'shown'\nchild\n42\n", "to stderr\n")


def test_echo_of_an_error(pod):
    code, out, err = pod.end(pod.describe("script", "print('before')\n1 / 0").run("--echo"))
    assert (code, out) == (1, "before\n")
    assert err.startswith("Traceback")
    assert err.endswith("ZeroDivisionError: division by zero\n")


def test_nothing_is_printed_without_echo(pod):
    assert pod.end(pod.describe("script", "print('hello')").run()) == (0, "", "")


def test_a_reader_of_the_echo_that_is_gone(pod):
    gone, end = os.pipe()
    os.close(gone)
    run = pod.describe("script", "print('x' * 1_000_000)\nprint('end')").start("run", "--echo", stdout=end)
    os.close(end)
    assert run.wait(30) == 0
    assert b'"code":0' in pod.log.read_bytes()


def test_blobs_are_read_where_they_are_mounted(pod):
    data = pickle.dumps({"rows": 3})
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    blob = pod.description / "blob-1"
    blob.write_bytes(data)
    inputs = {
        "mounted": {"format": "cloudpickle", "digest": digest},
        "inline": {"format": "cloudpickle", "data": base64.b64encode(pickle.dumps(1)).decode()},
    }
    pod.describe("script", "print(mounted, inline)", inputs=inputs, blobs={digest: f"file://{blob}"})
    assert pod.end(pod.run("--echo")) == (0, "{'rows': 3} 1\n", "")


def test_last_words(pod, tmp_path):
    words = tmp_path / "termination-log"
    assert pod.end(pod.describe("script", "raise SystemExit(4)").run("--last-words", str(words)))[0] == 4
    said = json.loads(words.read_text())
    written = json.loads(pod.log.read_bytes().splitlines()[-1])
    assert said["code"] == 4
    assert said == {key: written[key] for key in said}


def test_long_last_words_are_shortened(tmp_path):
    leave_last_words(str(tmp_path / "words"), Exit(1, None, "Exception", "ö" * 5000)._asdict())
    data = (tmp_path / "words").read_bytes()
    assert len(data) <= 4000
    assert json.loads(data)["reason"] == "Exception"


def test_the_hook_lets_a_job_hear_that_it_must_end(pod):
    """However early its pod is ended: here the hook even comes before the program it waits for."""
    pod.describe("script", "import time; time.sleep(600)", limits={"grace": 5})
    hook = pod.start_hook()
    process = pod.run()
    assert pod.end(hook)[0] == 0
    process.terminate()
    assert pod.end(process)[0] == 143


def test_the_hook_does_not_wait_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(pod_module, "_READY", 0.05)
    assert pod_module.wait_for(str(tmp_path / "never")) == 1

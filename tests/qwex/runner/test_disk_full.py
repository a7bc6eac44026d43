"""A disk without space, and a limit on the file's size."""

from __future__ import annotations

import os
import resource
import subprocess

import pytest

#: The switch to stderr is a barrier: by then the log has met the full disk.
FILLS = """
import pathlib, sys
for n in range(40):
    print('f' * 100_000)
print('full', file=sys.stderr)
for ballast in pathlib.Path('.').glob('ballast'):
    ballast.unlink()
"""


@pytest.fixture
def small_disk(job):
    """The job folder on a file system of one megabyte."""
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(job.path)]
    if os.getuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    job.work.mkdir()
    yield job
    subprocess.run(["umount", "-l", str(job.path)], check=True)


def test_the_end_is_written_on_a_full_disk(small_disk):
    small_disk.run("script", FILLS + "raise SystemExit(4)")
    assert small_disk.rc == 4
    assert small_disk.exit["code"] == 4
    notices = small_disk.of("notice")
    assert {notice["code"] for notice in notices} == {"disk-full"}
    lost = sum(notice["lost"] for notice in notices)
    assert lost > 1_000_000
    assert len(small_disk.text() + small_disk.text("stderr")) + lost >= 4_000_000


def test_output_goes_on_when_there_is_space_again(small_disk):
    (small_disk.work / "ballast").write_bytes(bytes(500_000))
    small_disk.run("script", FILLS + "print('goes on')")
    types = [record["type"] for record in small_disk.records]
    assert "notice" in types
    assert types[-2:] == ["stream", "exit"]
    assert small_disk.text().endswith("goes on\n")
    assert [record["seq"] for record in small_disk.records] == list(range(1, len(types) + 1))


def test_a_limit_on_the_size_of_files_leaves_no_torn_line(job):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    job.write("script", "for n in range(40): print('f' * 100_000)\nraise SystemExit(5)").start(preexec_fn=limit)
    job.join()
    assert job.rc == 5
    assert (job.path / "events.jsonl").read_bytes().endswith(b"\n")
    assert job.exit["code"] == 5

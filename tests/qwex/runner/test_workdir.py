"""A working folder that came along: unpacked where the job runs, and nowhere else."""

from __future__ import annotations

import base64
import io
import tarfile

import pytest


def packed(*members):
    """An archive of these: name and bytes, or name and what a link leads to, or a TarInfo."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            name, content = member
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
    return {"__workdir__": {"format": "bytes", "data": base64.b64encode(made.getvalue()).decode()}}


def test_the_job_runs_in_the_copy(job):
    inputs = packed(("model.py", b"answer = 42"), ("data/a.txt", b"text"), ("link", "data/a.txt"))
    text = "import model, os\nprint(model.answer, open('link').read(), os.path.basename(os.getcwd()))"
    job.run("script", text, name="train.py", inputs=inputs, cwd="")
    assert job.rc == 0
    assert job.text() == "42 text work\n"


def device():
    info = tarfile.TarInfo("device")
    info.type = tarfile.CHRTYPE
    return info


@pytest.mark.parametrize(
    "members",
    [
        [("../up", b"x")],
        [("/tmp/absolute", b"x")],
        [("a/../../up", b"x")],
        [("link", "/etc/passwd")],
        [("link", "../../up")],
        [("link", ".."), ("link/up", b"x")],
        [device()],
    ],
    ids=["up", "absolute", "winding", "absolute link", "link up", "through a link", "device"],
)
def test_what_leads_out_of_it_is_refused(job, members):
    job.run("script", "print('never')", inputs=packed(*members), cwd="")
    exit = job.of("exit")[0]
    assert (exit["reason"], job.text()) == ("StartFailed", "")
    assert "out of" in exit["message"]


def test_bytes_that_are_no_archive(job):
    broken = {"__workdir__": {"format": "bytes", "data": base64.b64encode(b"no archive").decode()}}
    job.run("script", "print('never')", inputs=broken, cwd="")
    assert "cannot be unpacked" in job.of("exit")[0]["message"]

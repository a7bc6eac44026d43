"""The runner's parts that have rules of their own: carriage returns, ends, out of memory, the records' JSON."""

from __future__ import annotations

import json
import math
import pickle
import signal
import subprocess
import sys

import pytest

from qwex.events import MAX_RECORD_BYTES as CAP_OF_THE_LOG
from qwex.jobfolder import zipapp
from qwex.runner import main, tuples
from qwex.runner.channel import MAX_RECORD_BYTES, FrameBuffer, encode_record, frame
from qwex.runner.exits import Outcome, Stop, Usage, conclude, duration_text
from qwex.runner.processes import oom_kills, start_time
from qwex.runner.textstream import collapse


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n", "plain\n"),
        ("a\r\nb\r\n", "a\r\nb\r\n"),
        ("\r10%\r20%\r30%", "\r30%"),
        ("abc\rd", "abc\rd"),
        ("x\n100%\r99%\n", "x\n100%\r99%\n"),
        ("x\n10%\r20%\n", "x\n20%\n"),
        ("may have begun before\rlonger than what is above", "may have begun before\rlonger than what is above"),
        ("\r\x1b[31m10%\x1b[0m\r\x1b[32m20%\x1b[0m", "\r\x1b[32m20%\x1b[0m"),
        ("\r\x1b[31mred\rstill red", "\r\x1b[31mred\rstill red"),
        ("\rup\x1b[A\rdown and over", "\rup\x1b[A\rdown and over"),
        ("\rtab\t\rover it all", "\rtab\t\rover it all"),
    ],
)
def test_collapse(text, shown):
    assert collapse(text) == shown


EXITED_3, TERMED, KILLED = 3 << 8, int(signal.SIGTERM), int(signal.SIGKILL)


@pytest.mark.parametrize(
    ("status", "outcome", "stop", "oom", "end"),
    [
        (0, Outcome(), None, False, (0, None, "")),
        (0, None, None, False, (0, None, "")),
        (EXITED_3, None, None, False, (3, None, "ExitCode")),
        (EXITED_3, Outcome("Exception", "E"), None, False, (3, None, "Exception")),
        (TERMED, None, Stop("Preempted", "m"), False, (143, "SIGTERM", "Preempted")),
        (TERMED, None, Stop(), False, (143, "SIGTERM", "Signal")),
        (0, None, Stop("CancelledByUser", ""), False, (0, None, "CancelledByUser")),
        (0, Outcome(), Stop(), False, (0, None, "")),
        (KILLED, None, None, True, (137, "SIGKILL", "OutOfMemory")),
        (KILLED, None, None, False, (137, "SIGKILL", "Signal")),
        (KILLED, Outcome("StartFailed", "m"), None, False, (126, None, "StartFailed")),
    ],
)
def test_conclude(status, outcome, stop, oom, end):
    assert conclude(status, outcome, stop, out_of_memory=oom)[:3] == end


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.3, "0.3s"), (45, "45s"), (900, "15m"), (5400, "1h30m"), (3661, "1h1m1s")]
)
def test_duration_text(seconds, text):
    assert duration_text(seconds) == text


def test_out_of_memory_kills_are_counted_in_both_versions_of_cgroups(tmp_path):
    (tmp_path / "cgroup").write_text("0::/job\n")
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "memory.events").write_text("low 0\noom 2\noom_kill 1\noom_group_kill 0\n")
    assert oom_kills(str(tmp_path / "cgroup"), str(tmp_path)) == 1
    (tmp_path / "cgroup").write_text("9:cpu:/x\n8:memory:/job\n0::/\n")
    (tmp_path / "memory" / "job").mkdir(parents=True)
    (tmp_path / "memory" / "job" / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 4\n")
    assert oom_kills(str(tmp_path / "cgroup"), str(tmp_path)) == 4
    assert oom_kills(str(tmp_path / "none"), str(tmp_path)) == 0


def test_start_time_of_a_process_that_is_gone():
    with pytest.raises(OSError, match=str(2**22 + 1)):
        start_time(2**22 + 1)


def test_frames_in_any_pieces():
    data = frame(b"one") + frame(b"") + frame(b"three" * 1000)
    buffer = FrameBuffer()
    bodies = [body for byte in data for body in buffer.feed(bytes([byte]))]
    assert bodies == [b"one", b"", b"three" * 1000]


class Scalar:
    dtype, ndim = "float32", 0

    def item(self):
        return 1.5


def test_records_are_json_whatever_they_hold():
    body = encode_record("display", {"data": {"image/png": b"png", "x": math.nan, "y": Scalar(), "z": "\ud800", 1j: 0}})
    assert body.startswith(b'{"type":"display"')
    assert json.loads(body)["data"] == {"image/png": "cG5n", "x": None, "y": 1.5, "z": "?"}


def test_an_error_over_the_cap_is_cut():
    body = encode_record("error", {"evalue": "x" * 20_000_000, "traceback": ["y" * 20_000_000], "frames": []})
    assert len(body) < MAX_RECORD_BYTES
    assert "more characters left out" in json.loads(body)["evalue"]


def test_the_cap_is_that_of_the_log():
    assert MAX_RECORD_BYTES == CAP_OF_THE_LOG


@pytest.mark.parametrize(
    "argv",
    [[], ["dance"], ["zygote"], ["run"], ["run", "a", "--loud"], ["agent", "a", "--description", "d", "--port", "x"]],
)
def test_usage(argv, capsys):
    assert main(argv) == 2
    assert "qwex-runner" in capsys.readouterr().err


def test_named_tuples_are_those_of_typing():
    class Point(tuples.NamedTuple):
        """Where."""

        x: int
        y: int = 0

        def moved(self, by):
            return self._replace(x=self.x + by)

    assert Point(1).moved(2) == (3, 0)
    assert (Point._fields, Point._field_defaults, Point.__doc__) == (("x", "y"), {"y": 0}, "Where.")
    assert pickle.loads(pickle.dumps(Usage(1, 2.0))) == Usage(1, 2.0)


def test_a_script_needs_little_of_the_standard_library(tmp_path):
    """An image may have it as source alone, to be compiled at each start."""
    (tmp_path / "runner.pyz").write_bytes(zipapp()[0])
    script = "import sys; sys.path.insert(0, 'runner.pyz'); import qwex_runner.supervisor, qwex_runner.agent"
    command = [sys.executable, "-I", "-S", "-c", f"{script}; print(*sys.modules)"]
    loaded = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split()
    heavy = {
        "argparse",
        "asyncio",
        "dataclasses",
        "inspect",
        "pathlib",
        "pickle",
        "subprocess",
        "tempfile",
        "threading",
    }
    assert {"typing", "traceback", "urllib.parse", *heavy} & set(loaded) == set()

"""What the job prints, by whatever way, and what becomes of too much of it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .conftest import wait_until


def test_stdout_and_stderr_keep_the_programs_order(job):
    job.run("script", "import sys\nfor n in range(5):\n    print('o', n)\n    print('e', n, file=sys.stderr)")
    assert [(r["name"], r["text"]) for r in job.of("stream")] == [
        (name, f"{name[3]} {n}\n") for n in range(5) for name in ("stdout", "stderr")
    ]


def test_children_write_in_order_too(job):
    job.run("script", "import os\nprint('a', end='')\nos.system('echo b')\nprint('c')\nos.write(1, b'd')")
    assert job.text() == "ab\nc\nd"


def test_nothing_is_lost_in_a_crash(job):
    job.run("script", "import os, signal\nprint('last words', end='')\nos.kill(os.getpid(), signal.SIGSEGV)")
    assert job.text() == "last words"
    assert job.exit["signal"] == "SIGSEGV"


def test_output_appears_while_the_job_runs(job):
    job.write("script", "print('first')\nimport pathlib\nwhile not pathlib.Path('go').exists(): pass").start()
    job.until_prints("first\n")
    assert job.exit is None
    (job.work / "go").touch()
    assert job.join().rc == 0


def test_binary_output_becomes_replacement_characters(job):
    job.run("script", r"import os; os.write(1, b'\xff\x00\xc3'); os.write(1, b'\xa9 \xe2\x82')")
    assert job.text() == "\ufffd\x00é \ufffd"


def test_text_that_utf8_cannot_hold(job):
    job.run("script", r"print('\ud800', '🎈')")
    assert job.text() == "\\ud800 🎈\n"


def test_progress_bars_are_collapsed(job):
    job.run("script", r"for n in range(20000): print(f'\r{n:6d}', end='')")
    assert job.text().startswith("\r")
    assert job.text().endswith("\r 19999")
    assert len(job.text()) < 20000


@pytest.mark.parametrize(
    "close", ["sys.stdout.close()", "os.close(1)", "sys.stdout = None", "os.closerange(3, 100)", "del sys.stdout"]
)
def test_a_job_that_closes_its_files_ends_well(job, close):
    job.run("script", f"import os, sys\nprint('before')\n{close}\nprint('after', file=sys.stderr)")
    assert job.rc == 0
    assert job.text().startswith("before\n")
    assert job.text("stderr") == "after\n"


def test_a_runner_whose_own_files_are_closed(job):
    job.write("script", "print('fine')")
    code = "import os, sys\nos.closerange(0, 3)\nos.execv(sys.argv[1], sys.argv[1:])"
    assert subprocess.run([sys.executable, "-c", code, *job.argv], check=False).returncode == 0
    assert job.text() == "fine\n"


def test_a_line_of_fifty_megabytes(job):
    job.run("script", "print('x' * 50_000_000)")
    assert len(job.text()) == 50_000_001
    assert max(len(r["text"]) for r in job.of("stream")) <= 262_144


def test_log_limit(job):
    job.run("cell", "for n in range(3000): print('y' * 1000)\nraise ValueError('seen')", limits={"max_log": 100_000})
    assert (job.path / "events.jsonl").stat().st_size < 200_000
    assert [r["code"] for r in job.of("notice")] == ["log-full"]
    assert job.error["evalue"] == "seen"
    assert job.exit["code"] == 1


def test_the_bell_rings_and_tells_the_end(job):
    job.write("script", "print('ding')\nimport pathlib\nwhile not pathlib.Path('go').exists(): pass")
    os.mkfifo(job.path / "bell")
    bell = os.open(job.path / "bell", os.O_RDONLY | os.O_NONBLOCK)
    job.start()
    job.until_prints("ding")
    assert os.read(bell, 100)
    (job.work / "go").touch()
    job.join()
    wait_until(lambda: os.read(bell, 4096) == b"", "the end of the bell")
    os.close(bell)


def test_unread_bell_never_blocks(job):
    job.write("script", "import sys\nfor n in range(50000): print(n, file=(sys.stdout, sys.stderr)[n % 2])")
    os.mkfifo(job.path / "bell")
    job.start().join()
    assert len(job.text().split()) == 25000


def test_records_that_are_the_supervisors_own_are_not_taken_from_the_jobs_code(job):
    job.run(
        "script",
        """
        import gc
        channel = next(each for each in gc.get_objects() if type(each).__name__ == "Channel")
        for type in ("state", "exit", "start", "stream", "usage"):
            channel.send(type, state="FAILED", code=77, text="x", name="stdout")
        channel.send("metrics", values={"loss": 1.0}, step=1)
        """,
    )
    types = [each["type"] for each in job.records]
    assert types.count("exit") == types.count("start") == 1
    assert "state" not in types
    assert "metrics" in types
    assert job.exit["code"] == 0

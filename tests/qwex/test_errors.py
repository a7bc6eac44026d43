"""The error tree is drawn as it is, every error has a code of its own, and messages help."""

from __future__ import annotations

import inspect
import re

import pytest

from qwex import errors
from qwex.errors import CaptureError, InvalidSpec, JobFailed, JobNotDone, QwexError, RemoteError, nearest

TREE = [cls for cls in vars(errors).values() if inspect.isclass(cls) and issubclass(cls, QwexError)]


def test_the_drawing_is_the_tree() -> None:
    drawn = dict.fromkeys(re.findall(r"[├└│ ]*[├└]── (\w+)", errors.__doc__ or ""))
    assert sorted(drawn) == sorted(cls.__name__ for cls in TREE if cls is not QwexError)


def test_depth_in_the_drawing_is_that_of_the_classes() -> None:
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"([│ ]*)[├└]── (\w+)", line):
            cls = getattr(errors, match[2])
            depth = len([base for base in cls.__mro__ if issubclass(base, QwexError)]) - 2
            assert depth == len(match[1]) // 4, match[2]


def test_codes_are_stable_words_and_unique() -> None:
    codes = [cls.code for cls in TREE]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)


def test_problems_name_the_field() -> None:
    error = InvalidSpec.of("resources.gpu", "8 are more than the 4 there are")
    assert str(error) == "resources.gpu: 8 are more than the 4 there are"
    assert error.problems == (("resources.gpu", "8 are more than the 4 there are"),)
    assert CaptureError("df cannot be sent", name="df").problems == (("df", "df cannot be sent"),)


def test_remote_errors_show_the_traceback_of_the_job() -> None:
    error = RemoteError("ValueError", "no", traceback=["line 1", "line 2"], run_id="kit-abc234")
    assert str(error) == "ValueError: no"
    assert error._render_traceback_() == ["line 1", "line 2", "raised in job kit-abc234"]
    assert str(RemoteError("KeyboardInterrupt", "")) == "KeyboardInterrupt"


def test_job_errors_carry_their_job() -> None:
    error = JobFailed("ended with code 3", run_id="kit-abc234", reason="ExitCode", exit_code=3)
    assert (error.run_id, error.reason, error.exit_code) == ("kit-abc234", "ExitCode", 3)
    assert isinstance(JobNotDone("still runs"), TimeoutError)


@pytest.mark.parametrize(("word", "hint"), [("slrum", " Did you mean 'slurm'?"), ("qqq", "")])
def test_nearest(word: str, hint: str) -> None:
    assert nearest(word, ["kueue", "local", "slurm"]) == hint

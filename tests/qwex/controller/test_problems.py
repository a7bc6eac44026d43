"""One table from error class to status; every error of the tree has one."""

from __future__ import annotations

import errno

import pytest

from qwex import errors
from qwex.controller.problems import STATUS, StoreUnavailable, Unauthenticated, as_error, problem, status_of
from qwex.errors import InvalidSpec, QwexError

TREE = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, QwexError)]


@pytest.mark.parametrize("kind", [kind for kind in TREE if kind is not errors.RemoteError])
def test_every_error_has_a_status(kind):
    assert 400 <= status_of(kind("what happened")) < 600
    assert problem(kind("what happened"))["code"] == kind.code


def test_a_class_without_a_status_has_its_bases():
    class Strange(errors.NotFound):
        pass

    assert status_of(Strange("x")) == 404
    assert status_of(Unauthenticated("x")) == 401
    assert {int(status) for status in STATUS.values()} >= {400, 401, 403, 404, 409, 413, 503}


def test_every_problem_of_a_body_is_listed():
    said = problem(InvalidSpec("a: x; b: y", problems=[("a", "x"), ("b", "y")]))
    assert said["problems"] == [{"field": "a", "message": "x"}, {"field": "b", "message": "y"}]


def test_what_was_not_raised_on_purpose_says_nothing_of_the_inside():
    assert "secret" not in as_error(ValueError("secret")).message
    assert isinstance(as_error(OSError(errno.ENOSPC, "No space left on device")), StoreUnavailable)

"""The name of a controller, among others that use the same bucket."""

from __future__ import annotations

from qwex.controller.identity import identity


def test_a_name_is_kept(tmp_path):
    assert identity(tmp_path) == identity(tmp_path)


def test_one_that_a_power_cut_has_emptied_is_made_anew(tmp_path):
    (tmp_path / "controller-id").touch()
    name = identity(tmp_path)
    assert len(name) == 16
    assert identity(tmp_path) == name

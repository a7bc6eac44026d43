"""The description of the API is complete, and the committed file is what the code says."""

from __future__ import annotations

import json
import re
from pathlib import Path

from qwex.controller import openapi
from qwex.controller.app import Api
from qwex.controller.operations import OPERATIONS

COMMITTED = Path(__file__).parents[3] / "clients" / "openapi.json"


def test_the_committed_file_is_up_to_date():
    assert COMMITTED.read_text(encoding="utf-8") == openapi.text(), "run: make openapi"


def test_every_reference_leads_somewhere():
    text = openapi.text()
    assert set(re.findall(r"#/components/schemas/(\w+)", text)) <= set(json.loads(text)["components"]["schemas"])


def test_every_operation_has_a_route_and_a_name_of_its_own():
    names = [operation.name for operation in OPERATIONS]
    assert len(set(names)) == len(names)
    assert all(callable(getattr(Api, name)) for name in names)


def test_a_record_is_described_with_its_states():
    schemas = openapi.describe()["components"]["schemas"]
    assert {"id", "state", "created_at"} <= set(schemas["JobRecord"]["required"])
    assert "SUCCEEDED" in schemas["JobState"]["enum"]
    assert schemas["SubmitBody"]["additionalProperties"] is False

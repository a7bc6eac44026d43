"""``openapi.json``, made from the table of operations and the models; run as a module it prints the committed file."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from qwex.controller import answers
from qwex.controller.operations import OPERATIONS, Operation, Parameter
from qwex.machines import MachineRecord
from qwex.record import Collected, JobRecord
from qwex.spec import JobSpec
from qwex.state import Why

__all__ = ["describe", "text"]

_REF = "#/components/schemas/{model}"
_MODELS: dict[str, Any] = {"Collected": Collected, "JobRecord": JobRecord, "JobSpec": JobSpec, "Why": Why}
_MODELS["MachineRecord"] = MachineRecord
_MODELS |= {name: getattr(answers, name) for name in answers.__all__}


def describe() -> dict[str, Any]:
    """The whole API in OpenAPI 3.1. Its version is the API's (``GET /healthz``), not the package's."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "qwex", "version": "1", "description": "Jobs for Jupyter users: submit, follow, explain."},
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def text() -> str:
    """The committed file."""
    return json.dumps(describe(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation.path), *map(_parameter, operation.parameters)],
        "responses": {str(operation.status): _answer(operation), "default": _refusal()},
    }
    if operation.body:
        content = {"application/json": {"schema": _reference(operation.body.__name__)}}
        described["requestBody"] = {"required": True, "content": content}
    elif operation.method == "PUT":
        content = {operation.media: {"schema": {"type": "string", "format": "binary"}}}
        described["requestBody"] = {"required": True, "content": content}
    if operation.open:
        described["security"] = []
    return described


def _answer(operation: Operation) -> dict[str, Any]:
    if operation.answer:
        schema = _reference(operation.answer)
    elif operation.media == "application/json":
        schema = {"type": "object"}
    else:
        schema = {"type": "string"}
    content = {operation.media: {"schema": schema}}
    if operation.text:
        content[operation.text] = {"schema": {"type": "string"}}
    return {"description": operation.summary, "content": content}


def _refusal() -> dict[str, Any]:
    content = {"application/problem+json": {"schema": _reference("Problem")}}
    return {"description": "Refused", "content": content}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)\}", path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    place = "header" if parameter.name[0].isupper() else "query"
    schema = {"type": parameter.kind}
    return {"name": parameter.name, "in": place, "description": parameter.help, "schema": schema}


def _reference(model: str) -> dict[str, str]:
    return {"$ref": _REF.format(model=model)}


def _schemas() -> dict[str, Any]:
    bodies = {operation.body for operation in OPERATIONS if operation.body}
    models: list[Any] = sorted(bodies, key=lambda model: model.__name__)
    _, taken = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    schemas: dict[str, Any] = dict(taken["$defs"])
    for name, model in _MODELS.items():
        schema = TypeAdapter(model).json_schema(ref_template=_REF, mode="serialization")
        schemas.update({key: value for key, value in schema.pop("$defs", {}).items() if key not in schemas})
        schemas.setdefault(name, schema)
    return schemas


if __name__ == "__main__":
    sys.stdout.write(text())

"""A notebook as its job has run it so far: the frozen one, with what its cells showed."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from qwex import notebooks
from qwex.controller.records import type_of
from qwex.events import OUTPUT_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qwex.record import JobRecord
    from qwex.spec import JobSpec

__all__ = ["executed"]

_WANTED = frozenset(type.encode() for type in (*OUTPUT_TYPES, "cell"))
#: Bytes of the records whose outputs are kept; a browser opens nothing larger.
_MOST = 64 << 20
#: Records that add nothing.
_SMALL = ("cell", "clear_output")

#: What a record of that type has.
_FIELDS: dict[str, dict[str, type]] = {
    "cell": {"id": str, "number": int},
    "stream": {"name": str, "text": str},
    "error": {"ename": str, "evalue": str, "traceback": list},
    "clear_output": {},
}
_SHOWN: dict[str, type] = {"data": dict, "metadata": dict}


def executed(record: JobRecord, spec: JobSpec, pieces: Iterable[bytes]) -> bytes:
    """The notebook as nbformat 4 has it; ``pieces`` are the whole lines of the job's log. The last attempt counts."""
    notebook = notebooks.with_parameters(notebooks.parsed(spec.source.text), spec.parameters)
    cells = _Cells(notebook["cells"])
    told = False
    for fields, size in _records(pieces, record.attempt):
        if fields["type"] in _SMALL or (not told and cells.size + size <= _MOST):
            cells.take(fields, size)
        elif not told:
            said = f"\n[qwex] more than can be shown in a notebook: qwex logs {record.id}\n"
            cells.take({"type": "stream", "name": "stderr", "text": said}, 0)
            told = True
    cells.finish()
    about = {"run_id": record.id, "state": record.state.value, "attempt": record.attempt}
    return json.dumps({**notebook, "metadata": {**notebook["metadata"], "qwex": about}}, ensure_ascii=False).encode(
        "utf-8", "replace"
    )


def _records(pieces: Iterable[bytes], attempt: int) -> Iterator[tuple[dict[str, Any], int]]:
    """What the attempt showed, and how many bytes each record has."""
    for line in (line for piece in pieces for line in piece.split(b"\n") if type_of(line) in _WANTED):
        with contextlib.suppress(ValueError):  # damaged; the stream of events says so
            fields: dict[str, Any] = json.loads(line)
            if fields.get("attempt", 1) == attempt and _is_sound(fields):
                yield fields, len(line)


def _is_sound(fields: dict[str, Any]) -> bool:
    """Whether it has what its type has: anything may have come from a job's place."""
    wanted = _FIELDS.get(fields["type"], _SHOWN)
    return all(isinstance(fields.get(name), kind) for name, kind in wanted.items())


class _Cells:
    """The notebook's cells while they fill; what is said before the first one begins is the first one's."""

    def __init__(self, cells: list[dict[str, Any]]) -> None:
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        for cell in code:
            cell.update(outputs=[], execution_count=None)
        self._by_id = {cell["id"]: cell for cell in code}
        self._cell = code[0]
        #: Bytes of what each cell shows.
        self._sizes = dict.fromkeys(self._by_id, 0)
        #: Outputs that are shown anew when their display is updated, wherever they stand.
        self._displays: dict[str, list[dict[str, Any]]] = {}
        self._clear = False

    @property
    def size(self) -> int:
        """Bytes of what is shown, without what goes with the next output."""
        return sum(self._sizes.values()) - (self._sizes[self._cell["id"]] if self._clear else 0)

    def take(self, record: dict[str, Any], size: int) -> None:
        """One record more, of so many bytes."""
        type = record["type"]
        if type == "cell":
            self._begin(record)
        elif type == "clear_output":
            self._clear = True
            if not record.get("wait"):
                self._cleared()
        elif type == "update_display":
            for output in self._displays.get(_display_id(record), ()):
                output.update(_bundle(record))
        else:
            self._cleared()
            self._sizes[self._cell["id"]] += size
            if type == "stream":
                self._stream(record["name"], record["text"])
            else:
                self._add(_output(record), _display_id(record))

    def finish(self) -> None:
        """Join what was printed in pieces."""
        for cell in self._by_id.values():
            for output in cell["outputs"]:
                if output["output_type"] == "stream":
                    output["text"] = "".join(output["text"])

    def _begin(self, record: dict[str, Any]) -> None:
        self._cell = self._by_id.get(record["id"], self._cell)
        self._cell["execution_count"] = record["number"]
        self._clear = False

    def _cleared(self) -> None:
        if self._clear:
            self._cell["outputs"] = []
            self._sizes[self._cell["id"]] = 0
        self._clear = False

    def _stream(self, name: str, text: str) -> None:
        outputs = self._cell["outputs"]
        if not outputs or outputs[-1].get("name") != name:
            outputs.append({"output_type": "stream", "name": name, "text": []})
        outputs[-1]["text"].append(text)

    def _add(self, output: dict[str, Any], display: str) -> None:
        self._cell["outputs"].append(output)
        if display:
            self._displays.setdefault(display, []).append(output)


def _output(record: dict[str, Any]) -> dict[str, Any]:
    if record["type"] == "error":
        return {"output_type": "error", **{key: record[key] for key in ("ename", "evalue", "traceback")}}
    if record["type"] == "result":
        count = record.get("execution_count")
        return {"output_type": "execute_result", "execution_count": count, **_bundle(record)}
    return {"output_type": "display_data", **_bundle(record)}


def _bundle(record: dict[str, Any]) -> dict[str, Any]:
    return {"data": record.get("data") or {}, "metadata": record.get("metadata") or {}}


def _display_id(record: dict[str, Any]) -> str:
    transient = record.get("transient")
    return str(transient.get("display_id") or "") if isinstance(transient, dict) else ""

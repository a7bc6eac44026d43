"""Writes the pages of docs/ that the code describes, or the tables in them; `--check` only compares.

Run: python docs/generate.py [--check]
"""

from __future__ import annotations

import sys
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from qwex_kueue.settings import KueueSettings
from qwex_mlflow.settings import MlflowSettings
from qwex_s3.settings import AzureSettings, FsspecSettings, GoogleSettings, S3Settings

from qwex.cli import exits
from qwex.config import FIELDS, SITE
from qwex.options import flags
from qwex.spec import JobSpec

HERE = Path(__file__).parent

SETTINGS = """# Settings

Made by `docs/generate.py` from `qwex/config.py`. `qwex config` shows each value and where it came from.

Later wins: the defaults below, `~/.config/qwex/config.toml`, `qwex.toml` in the working folder or above it, `QWEX_*`
variables (`QWEX_IDLE_TIMEOUT=60`), arguments. A section named after a plugin goes to that plugin: `[local]` stands in
[the queue on this machine](queue.md), and `QWEX_LOCAL__GPUS=2` sets its `gpus`. `[submit]` holds a project's defaults
for the [flags of a submission](flags.md).

What only the controller reads, plugin sections included, is read when it starts, from its own folder: a project's
`qwex.toml` does not reach it, and `qwex config` says so of each. `qwex controller stop` lets the next command start it
anew; jobs go on. Where `artifacts` may lie: [the artifact store](artifacts.md).

| setting | default | what it is | read by |
|---|---|---|---|
"""

SITES = """
## Variables of a site

Where no file and no `QWEX_KUEUE__…` variable sets these, a controller takes them from variables with shorter names:

| variable | setting |
|---|---|
"""

FLAGS = """# Flags of a submission

Made by `docs/generate.py` from `qwex/options.py`. The same on the command line (`qwex submit`), in the notebook
(`%%qwex`) and as keywords in Python (`qwex.submit("train.py", gpu="1", time="15m")`). Defaults for a project stand in
its `qwex.toml`:

```toml
[submit]
queue = "gpu-team"
time = "4h"
```

| flag | what it is |
|---|---|
"""


#: What a field of a job is, where its model does not say.
FIELD_WORDS = {
    "source": "the code",
    "source.kind": "`script`, `notebook`, `command`, `cell` or `function`; the last two are written by front ends",
    "source.text": "the code itself; of a notebook its JSON, as Jupyter saves it",
    "name": "a name for people",
    "args": "the words of a command, or the arguments of a script",
    "runtime": "what it runs with",
    "runtime.image": "container image, for backends that have them",
    "runtime.packages": "packages, for backends that install them",
    "resources": "what it asks for",
    "resources.cpu": "cores: 2, 0.5, 500m",
    "resources.memory": "512Mi, 4Gi",
    "resources.gpu": "1, A100:2, A100:80GB:2, 24GB..80GB:1",
    "queue": "queue to stand in",
    "timeout": "running time after which the job is ended: seconds, or 90s, 15m, 1h30m",
    "grace": "time between SIGTERM and SIGKILL, written as `timeout` is",
    "retries": "how often it starts again",
    "inputs": "values that a cell or function needs, by name",
    "outputs": "names of the values to keep",
    "tags": "labels to find the job by",
    "experiment": "experiment it belongs to",
    "notebook": "the notebook that a cell came from, or that is run",
    "notebook.path": "its file",
    "notebook.cell_id": "the cell's id in it",
    "backend": "place that runs it",
    "backend_options": "options of the backend's own; `qwex backends` lists them",
}
#: The head of a table of a plugin's settings.
SECTION = "| setting | default | what it is |\n|---|---|---|\n"
#: Models that only notebooks and Python write, so that their fields are left to the OpenAPI document.
APART = ("inputs",)


def settings() -> str:
    """The table of settings."""
    rows = [f"| `{f.name}` | `{f.default!r}` | {f.help} | the {f.scope} |" for f in FIELDS]
    site = [f"| `{variable}` | `{key}` in `[{name}]` |" for variable, (name, key) in SITE.items()]
    return SETTINGS + "\n".join(rows) + "\n" + SITES + "\n".join(site) + "\n"


def submission() -> str:
    """The table of flags."""
    rows = [
        f"| `{f'{flag.long} {flag.metavar}'.rstrip()}`{f', `{flag.short}`' if flag.short else ''} "
        f"| {flag.help}{'; several times' if flag.many else ''} |"
        for flag in flags()
    ]
    return FLAGS + "\n".join(rows) + "\n"


def job_fields(model: type[BaseModel] = JobSpec, above: str = "") -> list[str]:
    """A row for each field of a job, those within it below it."""
    rows = []
    for name, field in model.model_fields.items():
        path = above + name
        rows.append(f"| `{path}` | {_default(field)} | {FIELD_WORDS.get(path) or field.description} |")
        within = next((kind for kind in _kinds(field.annotation) if issubclass(kind, BaseModel)), None)
        if within and path not in APART:
            rows += job_fields(within, f"{path}.")
    return rows


def _default(field: Any) -> str:
    """What it is without being given; what says no more than "nothing" is left out."""
    value = None if field.is_required() else field.get_default(call_default_factory=True)
    if field.is_required():
        return "must be given"
    return f"`{value}`" if isinstance(value, (int, float)) or (isinstance(value, str) and value) else ""


def _kinds(annotation: Any) -> list[type]:
    """The classes in an annotation such as ``Notebook | None``."""
    within = typing.get_args(annotation)
    return [kind for part in within for kind in _kinds(part)] or [annotation] * isinstance(annotation, type)


def section(model: type[BaseModel]) -> list[str]:
    """A row for each setting of a plugin's section."""
    return [f"| `{name}` | {_default(field)} | {field.description} |" for name, field in model.model_fields.items()]


def artifacts() -> str:
    """The page of the stores, with a table for each section."""
    text = (HERE / "artifacts.md").read_text(encoding="utf-8")
    for name, model in (("s3", S3Settings), ("gs", GoogleSettings), ("az", AzureSettings), ("fsspec", FsspecSettings)):
        head = f"## `[{name}]`\n\n| setting | default | what it is |\n|---|---|---|\n"
        before, found, after = text.partition(head)
        assert found, f"docs/artifacts.md has no table of [{name}]"
        text = before + head + "\n".join(section(model)) + "\n" + after[after.find("\n## ") :] * ("\n## " in after)
    return text


def exit_codes() -> list[str]:
    """A row for each exit code."""
    return [f"| {code} | {meaning} |" for code, meaning in exits.TABLE]


def with_table(name: str, head: str, rows: list[str]) -> str:
    """The page with the rows of the table below ``head`` made anew; the prose around it is written by hand."""
    before, found, after = (HERE / name).read_text(encoding="utf-8").partition(head)
    assert found, f"docs/{name} has no table {head!r}"
    rest = after.partition("\n\n")[2]
    return before + head + "\n".join(rows) + "\n\n" + rest


def pages() -> dict[str, str]:
    """Every page as the code has it."""
    return {
        "settings.md": settings(),
        "artifacts.md": artifacts(),
        "flags.md": submission(),
        "jobspec.md": with_table("jobspec.md", "| field | default | what it is |\n|---|---|---|\n", job_fields()),
        "kueue.md": with_table("kueue.md", SECTION, section(KueueSettings)),
        "mlflow.md": with_table("mlflow.md", SECTION, section(MlflowSettings)),
        "cli.md": with_table("cli.md", "| code | what it means |\n|---|---|\n", exit_codes()),
    }


def main(check: bool) -> int:
    """Write the pages, or say which of them is out of date."""
    stale = 0
    for name, text in pages().items():
        page = HERE / name
        if check and (not page.exists() or page.read_text(encoding="utf-8") != text):
            sys.stderr.write(f"docs/{name} is not what the code says; run: python docs/generate.py\n")
            stale = 1
        elif not check:
            page.write_text(text, encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))

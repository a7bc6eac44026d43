"""Pages made from code are what the code says, and links between pages lead somewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ipynb import code, notebook

from qwex.spec import JobSpec

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "benchmarks/README.md", ROOT / "plugins/README.md"])


def test_made_pages_are_up_to_date():
    done = subprocess.run([sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    targets = [t.split("#")[0] for t in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in t]
    missing = [t for t in targets if t and not (page.parent / t).exists()]
    assert not missing


def test_every_make_target_named_in_a_page_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"`make ([a-z-]+)`", page.read_text(encoding="utf-8")))
        assert named <= targets, page


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/jobspec.md").read_text(), re.DOTALL))
def test_described_jobs_can_be_submitted(block, home, tmp_path):
    (tmp_path / "job.yaml").write_text(block)
    (tmp_path / "train.py").write_text("import sys; print(sys.argv[1:])\n")
    (tmp_path / "report.ipynb").write_text(notebook(code("year = 1999", "parameters"), "print(year)"))
    (tmp_path / "Makefile").write_text("all:\n\t@echo made\n")
    command = [sys.executable, "-m", "qwex.cli", "submit", "job.yaml", "--wait", "--quiet"]
    # The tests may run under make themselves, which tells the make of the job so.
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) in ((0, "['--lr', '0.1']\n"), (0, "made\n"), (0, "2026\n")), done.stderr


def test_every_field_of_a_job_is_described_and_no_other():
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| .* \| (.+) \|$", (ROOT / "docs/jobspec.md").read_text(), re.MULTILINE))
    assert set(JobSpec.model_fields) == {name for name in rows if "." not in name}
    assert {"source.kind", "resources.gpu", "retries.exit_codes", "notebook.path"} <= set(rows)
    assert "None" not in rows.values()


def test_the_error_of_the_page_is_the_one_that_is_printed(home):
    (line,) = re.findall(r"```json\n(.*)\n```", (ROOT / "docs/cli.md").read_text())
    command = [sys.executable, "-m", "qwex.cli", "submit", "--json", "--retries", "-1", "--", "true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert json.loads(done.stderr) == json.loads(line)

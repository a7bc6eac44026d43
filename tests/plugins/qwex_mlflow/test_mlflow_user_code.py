"""The job's own code uses MLflow with no setup: what it logs lies in the job's run, or in a child of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from harness.waiting import wait_until

from qwex.spec import JobSpec, Runtime, Source
from qwex.state import JobState

#: What it does, and how many children the job's run has afterwards.
CASES = {
    "logs alone": ("mlflow.log_metric('loss', 0.25)", 0),
    "start_run": ("with mlflow.start_run():\n    mlflow.log_metric('loss', 0.25)", 0),
    "start_run with a name": ("with mlflow.start_run(run_name='mine'):\n    mlflow.log_metric('loss', 0.25)", 0),
    "twice": (
        "with mlflow.start_run():\n    mlflow.log_metric('loss', 0.25)\n"
        "with mlflow.start_run():\n    mlflow.log_metric('loss', 0.5)",
        1,
    ),
    "nested": (
        "with mlflow.start_run():\n    mlflow.log_metric('loss', 0.25)\n"
        "    with mlflow.start_run(nested=True):\n        mlflow.log_metric('loss', 0.5)",
        1,
    ),
    "a subprocess first": (
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', 'import mlflow; mlflow.log_metric(\"loss\", 0.25)'], check=True)\n"
        "mlflow.log_metric('loss', 0.5)",
        1,
    ),
    "a subprocess after": (
        "import subprocess, sys\nmlflow.log_metric('loss', 0.25)\n"
        "subprocess.run([sys.executable, '-c', 'import mlflow; mlflow.log_metric(\"loss\", 0.5)'], check=True)",
        1,
    ),
    "its own experiment beside": (
        "mlflow.log_metric('loss', 0.25)\nmlflow.end_run()\n"
        "mlflow.set_experiment('elsewhere')\nwith mlflow.start_run():\n    mlflow.log_metric('loss', 0.5)",
        1,
    ),
    "a client of its own": (
        "mlflow.log_metric('loss', 0.25)\n"
        "from mlflow.tracking.context.registry import resolve_tags\n"
        "client = mlflow.MlflowClient()\n"
        "run = client.create_run('0', tags=resolve_tags())\n"
        "client.log_metric(run.info.run_id, 'loss', 0.5)\nclient.set_terminated(run.info.run_id)",
        1,
    ),
}


def submitted(client, text, **fields):
    source = Source(kind="script", text="import mlflow\n" + text, name="train.py")
    job = client.submit(JobSpec(source=source, **fields))
    job.wait(100)
    assert job.state is JobState.SUCCEEDED, "".join(job.logs())
    return job


def children(server, run):
    return server.search(f"tags.`mlflow.parentRunId` = '{run.id}'")


@pytest.mark.parametrize("case", CASES)
def test_it_joins(client, server, case):
    text, count = CASES[case]
    job = submitted(client, text)
    run = server.run_of(job.id, "FINISHED")
    assert run.metrics["loss"] == 0.25
    found = children(server, run)
    assert [child.metrics["loss"] for child in found] == [0.5] * count
    assert {child.tags["qwex.within"] for child in found} <= {job.id}
    assert run.name == ("mine" if "mine" in text else job.id)


def test_another_experiment_from_the_start(client, server):
    job = submitted(client, "mlflow.set_experiment('elsewhere')\nmlflow.log_metric('loss', 0.5)")
    run = server.run_of(job.id, "FINISHED")
    (child,) = children(server, run)
    assert (child.metrics, child.status) == ({"loss": 0.5}, "FINISHED")
    assert child.experiment != run.experiment


def test_a_parameter_of_its_own_wins_over_that_of_the_command_line(client, server):
    job = submitted(client, "mlflow.log_param('lr', 0.5)", args=("--lr", "0.1", "--depth=3", "--fast"))
    run = server.run_of(job.id, "FINISHED")
    wait_until(lambda: "depth" in server.run_of(job.id).params, "the parameters")
    params = server.run_of(job.id).params
    assert (params["lr"], params["depth"], params["fast"]) == ("0.5", "3", "true")
    assert run.params["qwex.cpu"] == "1"


def test_runs_that_a_killed_job_left_open_are_ended(client, server):
    text = "import os\nmlflow.start_run()\nmlflow.start_run(nested=True)\nos.kill(os.getpid(), 9)"
    job = client.submit(JobSpec(source=Source(kind="script", text="import mlflow\n" + text, name="train.py")))
    job.wait(60)
    run = server.run_of(job.id, "FAILED")
    wait_until(lambda: [child.status for child in children(server, run)] == ["FAILED"], "the child to end")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("mlflow.set_experiment('elsewhere')\nmlflow.log_metric('loss', 0.5)\n1 / 0", "FAILED"),
        ("mlflow.set_experiment('elsewhere')\nmlflow.log_metric('loss', 0.5)\nraise SystemExit(3)", "FAILED"),
        ("mlflow.set_experiment('elsewhere')\nmlflow.start_run()\nimport os\nos.kill(os.getpid(), 9)", "FAILED"),
        (
            "mlflow.set_experiment('elsewhere')\nwith mlflow.start_run():\n    mlflow.log_metric('loss', 0.5)\n1 / 0",
            "FINISHED",
        ),
    ],
)
def test_no_run_of_a_job_that_crashed_says_that_it_finished_if_it_was_open(client, server, text, status):
    job = client.submit(JobSpec(source=Source(kind="script", text="import mlflow\n" + text, name="train.py")))
    job.wait(60)
    run = server.run_of(job.id, "FAILED")
    wait_until(lambda: [child.status for child in children(server, run)] == [status], "the run elsewhere to end")


def test_what_is_logged_to_another_experiment_is_shown_with_the_job(client, server):
    job = submitted(client, "mlflow.set_experiment('elsewhere')\nmlflow.log_metric('loss', 0.5)")
    server.run_of(job.id, "FINISHED")
    assert [(each.name, each.value) for each in job.metrics()] == [("loss", 0.5)]


def test_autolog(client, server):
    pytest.importorskip("sklearn")
    text = (
        "mlflow.autolog(log_models=False)\nfrom sklearn.linear_model import LinearRegression\n"
        "LinearRegression().fit([[0], [1], [2]], [0, 1, 2])"
    )
    job = submitted(client, text)
    run = server.run_of(job.id, "FINISHED")
    assert run.params["fit_intercept"] == "True"
    assert "training_r2_score" in run.metrics


def base_python():
    """An interpreter that has nothing installed."""
    return str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")


def test_where_mlflow_is_and_qwex_is_not(client, server, tmp_path):
    packages = tmp_path / "packages"
    packages.mkdir()
    for entry in Path(next(path for path in sys.path if path.endswith("site-packages"))).iterdir():
        if "qwex" not in entry.name:
            (packages / entry.name).symlink_to(entry)
    text = "import qwex\nprint(qwex.__doc__)\nqwex.log_metrics({'own': 1.5}, step=2)\nmlflow.log_metric('loss', 0.25)"
    runtime = Runtime(python=base_python())
    job = submitted(client, text, runtime=runtime, env={"PYTHONPATH": str(packages)})
    assert "does not have it" in "".join(job.logs())
    run = server.run_of(job.id, "FINISHED")
    assert run.metrics["loss"] == 0.25
    assert run.metrics["own"] == 1.5


def test_where_mlflow_is_not(client, server):
    job = client.submit(
        JobSpec(
            source=Source(
                kind="script", text="import sys\nprint([n for n in sys.modules if 'mlflow' in n])", name="t.py"
            ),
            runtime=Runtime(python=base_python()),
        )
    )
    job.wait(60)
    assert "".join(job.logs()) == "[]\n"
    run = server.run_of(job.id, "FINISHED")
    assert "system/duration_seconds" in server.run_of(job.id).metrics or run


def test_what_the_job_logs_can_be_read_from_it(client, server):
    job = submitted(client, "for n in range(200):\n    mlflow.log_metric('loss', 1 / (n + 1), step=n)")
    (metric,) = job.metrics()
    assert (metric.name, metric.value, metric.step, len(metric.history)) == ("loss", 0.005, 199, 50)
    assert (metric.history[0], metric.history[-1]) == (1.0, 0.005)


def test_an_array_has_a_run_of_its_own(client, server):
    specs = [
        JobSpec(source=Source(kind="script", text=f"print({n})\n{end}", name="t.py"), group="sweep-1")
        for n, end in enumerate(("pass", "1 / 0"))
    ]
    jobs = client.submit_many(specs)
    for job in jobs:
        job.wait(60)
    runs = [server.run_of(job.id) for job in jobs]
    wait_until(lambda: all(server.run_of(job.id).parent for job in jobs), "the array's run")
    (parent,) = {server.run_of(job.id).parent for job in jobs}
    assert parent not in [run.id for run in runs]
    above = lambda: next(run for run in server.search("tags.`qwex.array` = 'sweep-1'") if run.id == parent)  # noqa: E731
    wait_until(lambda: above().status == "FAILED", "the array's end")


def test_what_lies_beside_the_run(client, server, tmp_path):
    os.environ["MY_API_TOKEN"] = "topsecret-value-1"
    try:
        source = Source(kind="script", text="import os\nprint('token', os.environ['MY_API_TOKEN'])", name="/x/train.py")
        job = client.submit(JobSpec(source=source, env={"DB_PASSWORD": "hunter2-hunter2", "PLAIN": "shown"}))
        job.wait(60)
    finally:
        del os.environ["MY_API_TOKEN"]
    run = server.run_of(job.id, "FINISHED")
    wait_until(lambda: "logs/output.txt" in server.files(run), "the output")
    files = server.files(run)
    assert files["logs/output.txt"] == "token ••••\n".encode()
    assert files["code/train.py"].startswith(b"import os\n")
    assert b'"PLAIN": "shown"' in files["qwex/job.json"]
    assert b"cloudpickle==" in files["environment/requirements.txt"]
    everything = b"".join(files.values()) + repr(server.run_of(job.id).__dict__).encode()
    assert b"topsecret" not in everything
    assert b"hunter2" not in everything

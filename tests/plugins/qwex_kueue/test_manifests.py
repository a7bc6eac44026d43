from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from qwex_kueue.manifests import as_yaml, attempt_secret, priority_class, render
from qwex_kueue.merging import merged
from qwex_kueue.preflight import asked_for
from qwex_kueue.settings import KueueSettings

from qwex.backend import Plan
from qwex.errors import InvalidSpec
from qwex.quantities import parse_cpu
from qwex.spec import JobSpec, Resources, Runtime, Source, Value

GOLDEN = Path(__file__).parent / "golden"
SETTINGS = KueueSettings(image="registry.example/python:3.11", priorities={"high": 100})


def plan(run_id="train-7k3f9q", attempt=1, user="ada", blobs=None, parcel=(), **spec):
    source = spec.pop("source", Source(kind="script", text="print('hello')", name="train.py"))
    return Plan(run_id, JobSpec(source=source, **spec), user, attempt, None, blobs or {}, parcel=parcel)


def rendered(settings=SETTINGS, **given):
    return render(plan(**given), settings, "team-a", "qwex-runner-0123456789ab", "c0ffee")


def described(request):
    return json.loads(base64.b64decode(request.secret["data"]["job.json"]))


CASES = {
    "script": rendered(),
    "gpu": rendered(
        settings=SETTINGS.model_copy(update={"gpu_labels": {"A100": {"nvidia.com/gpu.product": "NVIDIA-A100"}}}),
        resources=Resources(cpu="4", memory="16Gi", gpu="A100:2"),
        priority=100,
        group="sweep",
    ),
    "site": rendered(
        settings=KueueSettings(
            image="registry.example/python:3.11",
            pull_policy="Always",
            pull_secrets=("registry",),
            service_account="jobs",
            node_selector={"pool": "jobs"},
            tolerations=({"key": "jobs", "operator": "Exists"},),
            labels={"team": "a b"},
            run_as_user="",
            pod_template={
                "metadata": {"annotations": {"site": "x"}},
                "spec": {
                    "containers": [{"name": "job", "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]}],
                    "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
                },
            },
        ),
        attempt=2,
        user="ada@example.org",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    """Each manifest is what was looked at once. Delete a file to have it written anew."""
    file, text = GOLDEN / f"{case}.yaml", as_yaml(CASES[case])
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        pytest.fail(f"{file} was written; look at it")
    assert text == file.read_text()


def test_what_is_secret_stands_in_no_manifest_that_is_shown():
    request = rendered(env={"TOKEN": "hunter2"}, source=Source(kind="cell", text="secret_code()"))
    shown = as_yaml(request)
    assert "hunter2" not in shown
    assert "secret_code" not in shown
    assert "hunter2" not in json.dumps(request.job)
    assert described(request)["env"] == {"TOKEN": "hunter2"}
    assert len(list(yaml.safe_load_all(shown))) == 2


def test_a_job_is_suspended_until_kueue_lets_it_go_and_never_starts_itself_again():
    spec = rendered().job["spec"]
    assert spec["suspend"] is True
    assert spec["backoffLimit"] == 0


@pytest.mark.parametrize(
    ("asked", "agents", "jobs"), [("2", "100m", "1900m"), ("0.5", "50m", "450m"), ("5m", "0m", "5m")]
)
def test_the_agent_costs_no_quota_beyond_what_the_job_asks_for(asked, agents, jobs):
    request = rendered(resources={"cpu": asked})
    pod = request.job["spec"]["template"]["spec"]
    assert pod["initContainers"][0]["resources"]["requests"] == {"cpu": agents, "memory": "0"}
    assert pod["containers"][0]["resources"]["requests"]["cpu"] == jobs
    assert asked_for(request)["cpu"] == parse_cpu(asked)


def test_a_later_attempt_is_a_job_of_its_own():
    assert rendered(attempt=3).job["metadata"]["name"] == "train-7k3f9q--3"


@pytest.mark.parametrize(
    "run_id", ["train-2", "train-attempt", "train-renewed", "train-2-attempt", "train--attempts", "train--2b"]
)
def test_no_job_has_what_is_named_after_another(run_id):
    mine, other = rendered(run_id=run_id), rendered(run_id="train", attempt=2)
    assert mine.job["metadata"]["name"] == mine.secret["metadata"]["name"] == run_id
    assert other.job["metadata"]["name"] == other.secret["metadata"]["name"] == "train--2"
    assert attempt_secret("train", "train", 2)["metadata"]["name"] == "train--attempt"


@pytest.mark.parametrize("run_id", ["train--2", "train--attempt", "train--renewed", "train--2--attempt"])
def test_a_run_id_that_is_the_name_of_what_another_job_may_have_is_refused(run_id):
    with pytest.raises(InvalidSpec, match=f"run_id: {run_id} ends as the Jobs of retries do"):
        rendered(run_id=run_id)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"runtime": Runtime(packages=("numpy",))}, "runtime.packages"),
        ({"priority": 7}, "priority"),
        ({"resources": Resources(gpu="H100:1")}, "resources.gpu"),
        ({"resources": Resources(gpu="80GB:1")}, "resources.gpu"),
    ],
)
def test_what_no_pod_can_have_names_its_field(given, field):
    with pytest.raises(InvalidSpec) as refused:
        rendered(**given)
    assert refused.value.problems[0][0] == field


def test_of_two_priority_classes_of_one_value_the_configuration_chooses():
    with pytest.raises(InvalidSpec, match=r"high and urgent have the value 100\..* priorities = { high = 100 }"):
        priority_class(100, {"urgent": 100, "low": -1, "high": 100})
    chosen = rendered(settings=SETTINGS.model_copy(update={"priorities": {"urgent": 100}}), priority=100)
    assert chosen.job["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] == "urgent"


def test_an_image_must_come_from_somewhere():
    with pytest.raises(InvalidSpec, match=r"runtime\.image: .* with --image, or in \[kueue\] image"):
        rendered(settings=KueueSettings())
    assert rendered(settings=KueueSettings(), runtime=Runtime(image="x")).job


def blob(size, digit="0"):
    digest = "sha256:" + digit * 64
    return {digest: f"file:///blobs/{digit}"}, Value(digest=digest, size=size)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"source": Source(kind="cell", text="é" * 200_000)}, "source: 1.2 MB as it travels, of 1.2 MB in all"),
        ({"args": ("x" * 1_100_000,)}, "args: 1.1 MB as"),
        ({"env": {"A": "x" * 1_100_000}}, "env: 1.1 MB as"),
        ({"inputs": {"a": Value(data="AAAA"), "b": Value(data="A" * 1_100_000)}}, r"inputs\.b: 1.1 MB as"),
    ],
)
def test_what_does_not_fit_into_a_secret_is_named_with_both_sizes_and_the_way_out(given, said):
    with pytest.raises(InvalidSpec, match=rf"{said}.* holds 1.0 MB \(\[kueue\] inline_limit\). .* a volume"):
        rendered(**given)


def test_blobs_count_beside_the_code_each_once():
    blobs, value = blob(600_000)
    code = Source(kind="cell", text="x" * 500_000)
    with pytest.raises(InvalidSpec, match=r"inputs\.df: 600 kB as it travels, of 1.1 MB in all"):
        rendered(source=code, inputs={"df": value}, blobs=blobs)
    assert rendered(inputs={"df": value, "same": value}, blobs=blobs)


def test_what_does_not_fit_is_fetched_by_the_pod_where_that_needs_no_keys():
    small, large = ("sha256:" + digit * 64 for digit in "12")
    blobs = {small: "https://store/1?signed", large: "https://store/2?signed"}
    values = {"a": Value(digest=small, size=500_000), "b": Value(digest=large, size=50_000_000)}
    request = rendered(inputs=values, blobs=blobs)
    assert request.blobs == {"blob-" + "1" * 64: "https://store/1?signed"}
    assert described(request)["blobs"][large] == "https://store/2?signed"
    assert "signed" not in as_yaml(request)


def test_what_the_secret_holds_of_the_inputs_is_the_same_with_addresses_of_any_length():
    """What is renewed is the description alone."""
    digest = "sha256:" + "1" * 64
    renewed = []
    for size in range(1_000_000, 1_048_576, 4_000):
        given = {"inputs": {"a": Value(digest=digest, size=size)}, "blobs": {digest: "https://store/1?signed"}}
        first, later = rendered(**given), rendered(**given, parcel=("https://store/parcel?" + "s" * 2_000,))
        assert first.blobs == later.blobs
        renewed.append(bool(later.blobs))
    assert {*renewed} == {True, False}


def test_no_more_can_be_allowed_than_a_secret_holds():
    with pytest.raises(ValidationError, match="at most 1Mi"):
        KueueSettings(inline_limit="2Mi")


def test_blobs_are_read_from_the_secret():
    digest = "sha256:" + "1" * 64
    request = rendered(inputs={"df": Value(digest=digest, size=1000)}, blobs={digest: "file:///blobs/1"})
    assert request.blobs == {"blob-" + "1" * 64: "file:///blobs/1"}
    assert described(request)["blobs"] == {digest: "file:///qwex/description/blob-" + "1" * 64}


def test_a_template_is_merged_by_the_names_of_its_parts():
    base = {"containers": [{"name": "job", "image": "a", "env": [{"name": "A", "value": "1"}]}], "x": 1}
    patch = {"containers": [{"name": "job", "env": [{"name": "B", "value": "2"}]}, {"name": "proxy"}], "x": None}
    assert merged(base, patch) == {
        "containers": [
            {"name": "job", "image": "a", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"name": "proxy"},
        ]
    }

"""What is said of an object that does not go."""

from __future__ import annotations

import asyncio

import pytest
from qwex_kueue.errors import Missing
from qwex_kueue.machines.remains import Remains, explained

from qwex.errors import NotAuthorized


def claim(*finalizers):
    return {"metadata": {"name": "qwex-train-abcdef-home", "namespace": "team", "finalizers": list(finalizers)}}


@pytest.mark.parametrize(
    ("finalizers", "said"),
    [
        (["a.org/x"], "is held by the finalizer a.org/x; ask who runs that controller"),
        (["kubernetes.io/pvc-protection", "a.org/x", "b.org/y"], "is held by the finalizers a.org/x and b.org/y; ask"),
        (["kubernetes.io/pvc-protection"], "is still there: a pod has it mounted"),
        ([], "is still there: no finalizer holds it"),
    ],
)
def test_finalizers_are_named_but_for_kubernetes_own(finalizers, said):
    assert f"the PersistentVolumeClaim qwex-train-abcdef-home {said}" in explained(
        "PersistentVolumeClaim", claim(*finalizers)
    )


def test_the_last_resort_is_a_line_to_copy():
    line = "kubectl -n team patch persistentvolumeclaim qwex-train-abcdef-home --type=merge"
    assert f'{line} -p \'{{"metadata":{{"finalizers":null}}}}\'' in explained("PersistentVolumeClaim", claim("a/x"))
    assert "kubectl" not in explained("PersistentVolumeClaim", claim("kubernetes.io/pvc-protection"))


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (Missing(404, "NotFound", "not found"), "the pod p has only just gone"),
        (NotAuthorized("Kubernetes refuses: you may not"), "what holds it is not known: Kubernetes refuses: you may"),
    ],
)
def test_one_that_cannot_be_looked_at(refusal, said):
    class Server:
        async def get(self, path):
            assert path == "/pods/p"
            raise refusal

    assert said in asyncio.run(Remains("pod", "p", "/pods/p").told(Server()))

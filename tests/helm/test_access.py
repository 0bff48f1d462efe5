"""Accounts and rights: exactly what steps use."""

from __future__ import annotations

from typing import Any

import pytest

from gukbap.adapters.cluster_checks.access import rights_of
from gukbap.recipes import load_recipe
from tests.helm.rendering import NAMESPACE, named, needs_helm, objects_of, of_kind, pods, render

pytestmark = needs_helm


def granted(role: dict[str, Any]) -> list[tuple[str, str, str]]:
    return sorted(
        (verb, resource, group)
        for rule in role["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for group in rule["apiGroups"]
    )


@pytest.mark.parametrize("trainer", ["pod", "trainjob"])
def test_the_role_gives_what_steps_ask_for_and_nothing_else(trainer: str) -> None:
    recipe = load_recipe("gukbap-mistral-7b", [f"cluster.trainer={trainer}"])
    wanted = sorted(
        (right.verb, right.resource + (f"/{right.subresource}" if right.subresource else ""), right.group)
        for right in rights_of(recipe)
    )
    objects = render({"rbac": {"trainJobs": trainer == "trainjob"}})
    assert granted(named(objects, "Role", "trial-steps")) == wanted
    assert [item["metadata"]["name"] for item in of_kind(objects, "Role")] == ["trial-steps"]


@pytest.mark.parametrize("case", ["values", "everything"])
def test_rights_end_at_the_namespace_and_go_to_no_server(case: str) -> None:
    objects = objects_of(case)
    assert of_kind(objects, "ClusterRole") == of_kind(objects, "ClusterRoleBinding") == []
    for binding in of_kind(objects, "RoleBinding"):
        for subject in binding["subjects"]:
            assert subject["kind"] == "ServiceAccount"
            assert subject["namespace"] == NAMESPACE
            assert subject["name"] in ("trial", "pipeline-runner")
    accounts = {where: spec["serviceAccountName"] for where, _, spec in pods(objects)}
    for where, account in accounts.items():
        assert account == ("trial" if "-apply-" in where else "trial-servers"), where


def test_kubeflow_s_own_role_is_bound_on_demand_alone() -> None:
    bound = [item["roleRef"] for item in of_kind(objects_of("everything"), "RoleBinding")]
    assert [role["name"] for role in bound if role["kind"] == "ClusterRole"] == ["kubeflow-pipelines-edit"]
    assert {item["roleRef"]["kind"] for item in of_kind(objects_of("values"), "RoleBinding")} == {"Role"}


def test_without_rbac_and_account_none_is_made() -> None:
    objects = render({"rbac": {"create": False}, "serviceAccount": {"create": False, "name": "mine"}})
    assert of_kind(objects, "Role") == of_kind(objects, "RoleBinding") == []
    assert [item["metadata"]["name"] for item in of_kind(objects, "ServiceAccount")] == ["trial-servers"]

"""Every pod of the chart, over all values files: security, resources, selectors, policies, references."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helm.rendering import CASES, EVERYTHING, containers, needs_helm, objects_of, of_kind, pods, render

pytestmark = needs_helm
every_case = pytest.mark.parametrize("case", CASES)

#: What the chart leaves to others, by case: the secrets that values name, and KFP's own accounts.
EXTERNAL_OBJECTS = {
    "values-airgapped": {
        ("Secret", "gukbap-keys"),
        ("Secret", "gukbap-minio-admin"),
        ("Secret", "gukbap-postgres-password"),
        ("Secret", "registry"),
        ("PersistentVolumeClaim", "gukbap-models"),
    },
    "everything": {("Secret", "registry")},
    "external": {("Secret", "keys"), ("Secret", "db")},
}


@every_case
def test_pods_meet_the_restricted_standard_and_write_nowhere_but_in_volumes(case: str) -> None:
    found = list(pods(objects_of(case)))
    assert len(found) >= 3
    for where, _, spec in found:
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True, where
        assert isinstance(security["runAsUser"], int) and security["runAsUser"] > 0, where
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, where
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), where
        kinds = {kind for volume in spec.get("volumes", []) for kind in volume if kind != "name"}
        allowed = {"configMap", "emptyDir", "projected", "persistentVolumeClaim", "downwardAPI"}
        assert kinds <= allowed, where
        for container in containers(spec):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "privileged": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, where


@every_case
def test_pods_say_what_they_need_and_at_most_take(case: str) -> None:
    for where, _, spec in pods(objects_of(case)):
        for container in containers(spec):
            resources = container["resources"]
            assert set(resources) == {"requests", "limits"}, where
            assert {"cpu", "memory"} <= set(resources["requests"]) & set(resources["limits"]), where
        for volume in spec.get("volumes", []):
            if "emptyDir" in volume:
                assert volume["emptyDir"]["sizeLimit"], where


@every_case
def test_no_pod_gets_a_token_of_the_api_server(case: str) -> None:
    for where, _, spec in pods(objects_of(case)):
        assert spec["automountServiceAccountToken"] is False, where
        sources = [
            source
            for volume in spec.get("volumes", [])
            for source in volume.get("projected", {}).get("sources", [])
        ]
        tokens = [source["serviceAccountToken"]["audience"] for source in sources]
        assert tokens == (["pipelines.kubeflow.org"] if "-apply-" in where else []), where


@every_case
def test_servers_have_probes_and_other_pods_an_end(case: str) -> None:
    for item in objects_of(case):
        kind, spec = item["kind"], item.get("spec", {})
        if kind in ("Deployment", "StatefulSet"):
            for container in spec["template"]["spec"]["containers"]:
                assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
        elif kind == "Job":
            assert spec["activeDeadlineSeconds"] > 0 and spec["backoffLimit"] >= 0
            assert spec["template"]["spec"]["restartPolicy"] == "Never"
        elif kind == "Pod":
            assert spec["activeDeadlineSeconds"] > 0 and spec["restartPolicy"] == "Never"


def selects(labels: dict[str, str], metadata: dict[str, Any]) -> bool:
    return set(labels.items()) <= set(metadata["labels"].items())


@every_case
def test_selectors_match_exactly_the_pods_that_are_meant(case: str) -> None:
    objects = objects_of(case)
    made = list(pods(objects))
    servers = [item for item in objects if item["kind"] in ("Deployment", "StatefulSet")]
    for item in servers:
        labels = item["spec"]["selector"]["matchLabels"]
        where = f"{item['kind']}/{item['metadata']['name']}"
        assert [name for name, metadata, _ in made if selects(labels, metadata)] == [where]
        assert "app.kubernetes.io/version" not in labels, "a selector cannot change"
    names = {item["metadata"]["name"] for item in servers}
    for service in of_kind(objects, "Service"):
        matched = [(spec, name) for name, meta, spec in made if selects(service["spec"]["selector"], meta)]
        assert [name.split("/")[1] for _, name in matched] == [service["metadata"]["name"]]
        ports = {
            port["name"] for container in containers(matched[0][0]) for port in container.get("ports", [])
        }
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    budgets = of_kind(objects, "PodDisruptionBudget")
    assert {item["metadata"]["name"] for item in budgets} == names
    for item in budgets:
        matching = [name for name, meta, _ in made if selects(item["spec"]["selector"]["matchLabels"], meta)]
        assert [name.split("/")[1] for name in matching] == [item["metadata"]["name"]]


@every_case
def test_every_pod_has_one_policy_for_both_ways(case: str) -> None:
    objects = objects_of(case)
    policies = of_kind(objects, "NetworkPolicy")
    used: set[str] = set()
    for where, metadata, _ in pods(objects):
        own = [
            item["metadata"]["name"]
            for item in policies
            if selects(item["spec"]["podSelector"]["matchLabels"], metadata)
        ]
        assert len(own) == 1, where
        used |= set(own)
    assert used == {item["metadata"]["name"] for item in policies}
    for item in policies:
        assert sorted(item["spec"]["policyTypes"]) == ["Egress", "Ingress"]
        # An empty rule would let everybody through.
        assert {} not in [*item["spec"]["ingress"], *item["spec"]["egress"]]


@every_case
def test_policies_let_each_pod_reach_what_it_is_told_and_nobody_else_the_database(case: str) -> None:
    objects = objects_of(case)
    made = list(pods(objects))
    for policy in of_kind(objects, "NetworkPolicy"):
        for rule in policy["spec"]["egress"]:
            for peer in rule.get("to", []):
                [target] = [s for _, meta, s in made if selects(peer["podSelector"]["matchLabels"], meta)]
                open_ports = {p["containerPort"] for c in containers(target) for p in c.get("ports", [])}
                assert {port["port"] for port in rule["ports"]} <= open_ports
        if policy["metadata"]["name"].endswith("-postgres"):
            [rule] = policy["spec"]["ingress"]
            reach = [
                name
                for name, meta, _ in made
                for peer in rule["from"]
                if selects(peer["podSelector"]["matchLabels"], meta)
            ]
            assert [name.split("/")[0] for name in reach] == ["Deployment"]
            assert reach[0].endswith("-mlflow")


def test_policies_follow_addresses_of_others() -> None:
    objects = {item["metadata"]["name"]: item for item in of_kind(objects_of("external"), "NetworkPolicy")}
    ports = {
        port["port"]
        for rule in objects["trial-mlflow"]["spec"]["egress"]
        if "to" not in rule
        for port in rule["ports"]
    }
    assert ports == {53, 443, 6432}
    assert "trial-postgres" not in objects and "trial-minio" not in objects


def references(spec: dict[str, Any]) -> set[tuple[str, str]]:
    found = {("ServiceAccount", spec["serviceAccountName"])}
    found |= {("Secret", one["name"]) for one in spec.get("imagePullSecrets", [])}
    for volume in spec.get("volumes", []):
        if "configMap" in volume:
            found.add(("ConfigMap", volume["configMap"]["name"]))
        if "persistentVolumeClaim" in volume:
            found.add(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
    for container in containers(spec):
        assert "envFrom" not in container, "each variable is named"
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            if "secretKeyRef" in source:
                found.add(("Secret", source["secretKeyRef"]["name"]))
            assert "configMapKeyRef" not in source
    return found


@every_case
def test_what_pods_refer_to_is_made_or_declared_to_be_elsewhere(case: str) -> None:
    objects = objects_of(case)
    made = {(item["kind"], item["metadata"]["name"]) for item in objects}
    wanted = set().union(*(references(spec) for _, _, spec in pods(objects)))
    assert wanted - made == EXTERNAL_OBJECTS.get(case, set())


@every_case
def test_secret_keys_that_pods_read_are_in_the_secrets_that_are_made(case: str) -> None:
    objects = objects_of(case)
    held = {item["metadata"]["name"]: set(item["data"]) for item in of_kind(objects, "Secret")}
    for where, _, spec in pods(objects):
        for container in containers(spec):
            for variable in container.get("env", []):
                key = variable.get("valueFrom", {}).get("secretKeyRef")
                if key and key["name"] in held and not key.get("optional"):
                    assert key["key"] in held[key["name"]], (where, variable["name"])


@every_case
def test_volumes_are_mounted_and_mounts_have_volumes(case: str) -> None:
    claims = {
        item["metadata"]["name"]: [one["metadata"]["name"] for one in item["spec"]["volumeClaimTemplates"]]
        for item in of_kind(objects_of(case), "StatefulSet")
    }
    for where, _, spec in pods(objects_of(case)):
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        if where.startswith("StatefulSet/"):
            volumes |= set(claims[where.split("/")[1]])
        mounted = {mount["name"] for one in containers(spec) for mount in one.get("volumeMounts", [])}
        assert mounted == volumes, where


def test_model_servers_get_their_gpus_cache_shared_memory_and_key() -> None:
    objects = render({**EVERYTHING, "teacher": {**EVERYTHING["teacher"], "gpus": 4, "revision": "abc"}})
    spec = {name: spec for name, _, spec in pods(objects)}["Deployment/trial-teacher"]
    [container] = spec["containers"]
    assert container["command"] == ["vllm", "serve"]
    assert container["args"][0] == "team/teacher"
    assert {"--tensor-parallel-size=4", "--revision=abc"} <= set(container["args"])
    assert {container["resources"][side]["nvidia.com/gpu"] for side in ("requests", "limits")} == {4}
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes[mounts["/dev/shm"]]["emptyDir"]["medium"] == "Memory"
    assert volumes[mounts["/home/gukbap/.cache"]]["persistentVolumeClaim"] == {"claimName": "trial-teacher"}
    key = next(variable for variable in container["env"] if variable["name"] == "VLLM_API_KEY")
    assert key["valueFrom"]["secretKeyRef"] == {"name": "gukbap", "key": "VLLM_API_KEY"}
    assert {probe["httpGet"]["path"] for name, probe in container.items() if name.endswith("Probe")} == {
        "/health"
    }


def test_labels_of_values_go_to_objects_and_pods_but_not_into_selectors() -> None:
    labels = {"team": "nlp", "app.kubernetes.io/component": "mine", "app.kubernetes.io/name": "other"}
    objects = render({"commonLabels": labels})
    assert all(item["metadata"]["labels"]["team"] == "nlp" for item in objects if item["kind"] != "Pod")
    for _, metadata, _ in pods(objects):
        assert metadata["labels"]["team"] == "nlp"
        assert metadata["labels"]["app.kubernetes.io/name"] == "gukbap"
    for item in objects:
        if item["kind"] in ("Deployment", "StatefulSet"):
            assert "team" not in item["spec"]["selector"]["matchLabels"]


@every_case
def test_no_pod_waits_for_a_sidecar_unless_it_is_asked_for(case: str) -> None:
    label = "sidecar.istio.io/inject"
    assert {metadata["labels"][label] for _, metadata, _ in pods(objects_of(case))} == {"false"}
    asked = render({"commonLabels": {label: "true"}})
    assert {metadata["labels"][label] for _, metadata, _ in pods(asked)} == {"true"}

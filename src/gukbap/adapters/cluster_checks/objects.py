"""Secrets by the names of their keys, ConfigMap, claim, storage class, pod security, training runtime."""

from __future__ import annotations

from collections.abc import Iterator

from gukbap.adapters.cluster_checks.subject import Subject
from gukbap.adapters.findings import Finding
from gukbap.adapters.kubernetes_cluster import TRAIN_JOB_API
from gukbap.config import Recipe
from gukbap.handover import OBJECT_STORE, TRACKING_URI

_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_ENFORCE = "pod-security.kubernetes.io/enforce"


def keys_of(recipe: Recipe) -> dict[str, str]:
    """The secret's keys that a recipe cannot do without → what needs them."""
    named = {
        recipe.teacher.api_key_env: "the teacher",
        recipe.judge.endpoint.api_key_env: "the judge",
        recipe.infer.api_key_env: "inference",
    }
    if any(place and place.startswith("s3://") for place in (recipe.store.url, recipe.evaluate.pack)):
        named |= {recipe.store.access_key_env: "the bucket", recipe.store.secret_key_env: "the bucket"}
    return {key: user for key, user in named.items() if key}


def check_secret(subject: Subject) -> Iterator[Finding]:
    """That the secret is there and has the keys, none of them empty. Values are neither kept nor shown."""
    from kubernetes.client import CoreV1Api

    name, wanted = subject.recipe.cluster.secret, keys_of(subject.recipe)
    core = CoreV1Api(subject.cluster.client)
    found = subject.named(core.read_namespaced_secret, "secret", name)
    filled = {key for key, value in (found.data or {}).items() if value} if found else set()
    missing = [f"{key} ({user})" for key, user in wanted.items() if key not in filled]
    if not missing:
        has = ", ".join(sorted(wanted)) if wanted else "no key, and the recipe needs none"
        yield Finding("secret", "ok", f"{name} has {has}" if found or wanted else f"{name} is not needed")
        return
    command = f"kubectl -n {subject.namespace} create secret generic {name} --from-env-file=keys.env"
    if found is None:
        keys = ", ".join(missing)
        yield Finding("secret", "problem", f"there is no secret {name}; needed: {keys}", command)
    else:
        detail = f"{name} lacks, or has empty: {', '.join(missing)}"
        yield Finding("secret", "problem", detail, f"add them to {name}: their pods would not start")


def check_pull_secret(subject: Subject) -> Iterator[Finding]:
    """That the image registry's secret is there and of a kind that the kubelet reads."""
    from kubernetes.client import CoreV1Api

    name = subject.recipe.cluster.image_pull_secret
    if name is None:
        yield Finding("pull secret", "ok", "the recipe names none")
        return
    core = CoreV1Api(subject.cluster.client)
    found = subject.named(core.read_namespaced_secret, "secret", name)
    command = f"kubectl -n {subject.namespace} create secret docker-registry {name} …"
    if found is None:
        yield Finding("pull secret", "problem", f"there is no secret {name}", command)
    elif found.type not in ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"):
        yield Finding("pull secret", "problem", f"{name} is of the type {found.type}", command)
    else:
        yield Finding("pull secret", "ok", f"{name} is there")


def check_config_map(subject: Subject) -> Iterator[Finding]:
    """The addresses of the platform, without which steps run, but untracked."""
    recipe, name = subject.recipe, subject.recipe.cluster.config_map
    wanted = {OBJECT_STORE: "prepare cannot look whether artifacts are still there"}
    if recipe.tracking.enabled and not recipe.tracking.uri:
        wanted[TRACKING_URI] = "nothing is tracked"
    lacking = [f"{key} ({effect})" for key, effect in wanted.items() if not subject.addresses.get(key)]
    if lacking:
        detail = f"ConfigMap {name} does not give {', '.join(lacking)}"
        fix = "set platform.* of the chart, or make the ConfigMap"
        yield Finding("config map", "warning", detail, fix)
    else:
        yield Finding("config map", "ok", f"{name} gives {', '.join(sorted(subject.addresses)) or 'nothing'}")


def check_claim(subject: Subject) -> Iterator[Finding]:
    """That the work claim is bound and can be mounted on several nodes."""
    from kubernetes.client import CoreV1Api

    name = subject.recipe.cluster.work_claim
    if name is None:
        detail = "the recipe names none: a retried step starts anew"
        yield Finding("work claim", "warning", detail, "set cluster.work_claim")
        return
    core = CoreV1Api(subject.cluster.client)
    claim = subject.named(core.read_namespaced_persistent_volume_claim, "claim", name)
    if claim is None:
        fix = "make it: the chart's workClaim does"
        yield Finding("work claim", "problem", f"there is no claim {name}", fix)
        return
    modes = claim.status.access_modes or claim.spec.access_modes or []
    if claim.status.phase == "Lost":
        yield Finding(
            "work claim", "problem", f"{name} has lost its volume", "restore it, or make a new claim"
        )
    elif "ReadWriteMany" not in modes:
        detail = f"{name} is {', '.join(modes)}: steps on several nodes cannot share it"
        yield Finding("work claim", "problem", detail, "make it ReadWriteMany, of a storage class that can")
    elif claim.status.phase != "Bound":
        # A class that waits for its first pod leaves a claim pending, and so does one that is broken.
        detail = f"{name} is {claim.status.phase}, not Bound"
        yield Finding("work claim", "warning", detail, f"see `kubectl describe pvc {name}`")
    else:
        size = (claim.status.capacity or {}).get("storage", "unknown size")
        yield Finding("work claim", "ok", f"{name} is bound, {', '.join(modes)}, {size}")


def check_storage_class(subject: Subject) -> Iterator[Finding]:
    """That the class of the claim exists, or a default one where none is named."""
    from kubernetes.client import CoreV1Api, StorageV1Api

    listed = subject.ask(StorageV1Api(subject.cluster.client).list_storage_class, "list storage classes")
    classes = listed.items if listed else []
    names = {one.metadata.name for one in classes}
    default = [
        c.metadata.name for c in classes if (c.metadata.annotations or {}).get(_DEFAULT_CLASS) == "true"
    ]
    wanted = None
    if claim_name := subject.recipe.cluster.work_claim:
        core = CoreV1Api(subject.cluster.client)
        claim = subject.named(core.read_namespaced_persistent_volume_claim, "claim", claim_name)
        bound = claim is not None and claim.status.phase == "Bound"
        wanted = claim.spec.storage_class_name if claim and not bound else None
    if wanted and wanted not in names:
        detail = f"the claim asks for {wanted}, which does not exist"
        fix = f"choose one of {', '.join(sorted(names))}" if names else "install a provisioner"
        yield Finding("storage class", "problem", detail, fix)
    elif not names:
        fix = "install a provisioner, or make volumes by hand"
        yield Finding("storage class", "warning", "the cluster has none", fix)
    elif not default:
        detail = f"{', '.join(sorted(names))}; none is the default"
        yield Finding("storage class", "warning", detail, "name one in workClaim.storageClass")
    else:
        yield Finding("storage class", "ok", f"{', '.join(sorted(names))}; default {', '.join(default)}")


def check_pod_security(subject: Subject) -> Iterator[Finding]:
    """The Pod Security Standard that the namespace enforces."""
    from kubernetes.client import CoreV1Api

    name = subject.namespace
    found = subject.ask(CoreV1Api(subject.cluster.client).read_namespace, f"read the namespace {name}", name)
    if found is None:
        fix = f"kubectl create namespace {name}, or choose another --namespace"
        yield Finding("pod security", "problem", f"there is no namespace {name}", fix)
        return
    level = (found.metadata.labels or {}).get(_ENFORCE, "privileged")
    if level == "restricted":
        # Our containers name a user; dropped capabilities and seccomp are set by KFP, since 2.17.
        detail = f"{name} enforces restricted, which steps meet from Kubeflow Pipelines 2.17 on"
        fix = f"if pods do not start: kubectl -n {name} get events | grep PodSecurity"
        yield Finding("pod security", "warning", detail, fix)
    else:
        yield Finding("pod security", "ok", f"{name} enforces {level}")


def check_runtime(subject: Subject) -> Iterator[Finding]:
    """Where training goes to Kubeflow Trainer: that it has the recipe's runtime."""
    from kubernetes.client import CustomObjectsApi

    cluster = subject.recipe.cluster
    if cluster.trainer != "trainjob":
        yield Finding("training runtime", "ok", "not needed: training is a pod of the pipeline")
        return
    read = CustomObjectsApi(subject.cluster.client).get_cluster_custom_object
    name = cluster.training_runtime
    where = (*TRAIN_JOB_API, "clustertrainingruntimes", name)
    if subject.ask(read, f"read the ClusterTrainingRuntime {name}", *where) is None:
        detail = f"there is no ClusterTrainingRuntime {name}"
        fix = "install Kubeflow Trainer 2.2 or newer with its runtimes, or set cluster.training_runtime"
        yield Finding("training runtime", "problem", detail, fix)
    else:
        yield Finding("training runtime", "ok", f"{name} is there")

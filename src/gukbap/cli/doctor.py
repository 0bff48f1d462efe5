"""`gukbap doctor`: does this machine, or a cluster, have what a recipe needs?"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from gukbap.adapters.findings import Finding, attempt
from gukbap.cli.kubeflow import connection_options
from gukbap.cli.options import json_option, overrides_option
from gukbap.cli.preflight import check_inputs
from gukbap.config import Endpoint, Recipe
from gukbap.errors import EndpointError, UsageError
from gukbap.recipes import load_recipe

#: module → (extra that brings it, what needs it)
_MODULES = {
    "torch": ("train", "training and inference"),
    "transformers": ("train", "training and inference"),
    "accelerate": ("train", "training"),
    "kfp": ("kfp", "the pipeline"),
    "mlflow": ("tracking", "tracking"),
    "minio": ("tracking", "object stores"),
    "matplotlib": ("tracking", "the report's plots"),
}
#: bytes that a run with bundled models leaves free to be comfortable
_DISK = 6e9


@click.command()
@click.argument("recipe", default="local")
@overrides_option
@click.option("--cluster", "on_cluster", is_flag=True, help="Check the cluster, and not this machine.")
@click.option("--context", help="With --cluster: context of the kubeconfig; the current one by default.")
@connection_options
@json_option
def doctor(
    recipe: str,
    overrides: tuple[str, ...],
    on_cluster: bool,
    context: str | None,
    endpoint: str | None,
    token_file: Path | None,
    namespace: str | None,
    as_json: bool,
) -> None:
    """Check whether this machine, or a cluster, can run RECIPE (local by default). Exit code 1 where it
    cannot.

    With --cluster the namespace is that of --namespace, else of the kubeconfig's context, else the pod's
    own. Nothing is changed there, and no secret's value is shown.
    """
    if not on_cluster and (context or endpoint or token_file or namespace):
        raise UsageError("--context, --namespace, --endpoint and --token-file go with --cluster")
    checked = load_recipe(recipe, overrides)
    if on_cluster:
        findings = _of_cluster(checked, context, endpoint, token_file, namespace)
    else:
        findings = _findings(checked)
    show_findings(list(findings), as_json)


def show_findings(findings: Sequence[Finding], as_json: bool) -> None:
    """Print findings; exit code 1 where one is a problem."""
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            mark = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}[finding.status]
            click.echo(f"{mark}  {finding.name}: {finding.detail}")
            if finding.fix:
                click.echo(f"         next: {finding.fix}")
    if any(finding.status == "problem" for finding in findings):
        sys.exit(1)


def _of_cluster(
    recipe: Recipe, context: str | None, endpoint: str | None, token_file: Path | None, namespace: str | None
) -> Iterator[Finding]:
    if importlib.util.find_spec("kubernetes") is None:
        raise UsageError("the kubernetes client is not installed", fix="pip install 'gukbap[kfp]'")
    from components import images
    from gukbap.adapters.cluster_checks import Subject, check_cluster
    from gukbap.adapters.kubernetes_cluster import kubeconfig_cluster, open_cluster

    cluster = None if context else open_cluster(namespace=namespace)
    served = recipe.teacher.vllm or recipe.judge.endpoint.vllm
    used = (
        images.CPU,
        images.TRAIN,
        images.for_inference(recipe.infer),
        *((images.VLLM,) if served else ()),
    )
    return check_cluster(
        Subject(
            cluster or kubeconfig_cluster(context, namespace),
            recipe,
            tuple(dict.fromkeys(used)),
            os.environ,
            endpoint,
            token_file,
            namespace,
        )
    )


def _findings(recipe: Recipe) -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield from _modules(recipe)
    yield _memory()
    yield _disk()
    yield _kernels()
    yield _accelerators(recipe)
    yield attempt("inputs", lambda: _inputs(recipe))
    for name, endpoint in (("teacher", recipe.teacher), ("judge", recipe.judge.endpoint)):
        yield attempt(name, partial(_endpoint, endpoint))
    yield attempt("store", lambda: _store(recipe))
    yield attempt("tracking", lambda: _tracking(recipe))


def _modules(recipe: Recipe) -> Iterator[Finding]:
    needed = dict(_MODULES)
    endpoints = (recipe.teacher, recipe.judge.endpoint)
    local = [e for e in endpoints if e.base_url is None and e.vllm is None]
    if any(not e.model.startswith("scripted://") for e in local):
        needed["xllamacpp"] = ("local", "serving bundled chat models")
    if recipe.infer.engine == "vllm" or any(e.vllm for e in endpoints):
        needed["vllm"] = ("vllm", "inference, serving chat models")
    for module, (extra, use) in needed.items():
        if importlib.util.find_spec(module) is None:
            fix = f"pip install 'gukbap[{extra}]' (in its own environment)" if extra == "vllm" else None
            yield Finding(
                module, "problem", f"missing; needed for {use}", fix or f"pip install 'gukbap[{extra}]'"
            )
        else:
            # mlflow may come from mlflow-skinny.
            package = importlib.metadata.packages_distributions()[module][0]
            yield Finding(module, "ok", importlib.metadata.version(package))


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Finding("machine", "ok", f"{cores} cores, {total / 1e9:.0f} GB of memory")


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    if free < _DISK:
        return Finding("disk", "warning", f"{free / 1e9:.1f} GB free here", f"free {_DISK / 1e9:.0f} GB")
    return Finding("disk", "ok", f"{free / 1e9:.0f} GB free here")


def _kernels() -> Finding:
    from gukbap.stages.dedup import kernels

    if kernels.library() is None:
        fix = "install a C compiler, then gukbap once more"
        return Finding("near-dedup", "warning", "not compiled: the same results, more slowly", fix)
    return Finding("near-dedup", "ok", "compiled")


def _accelerators(recipe: Recipe) -> Finding:
    wanted = recipe.train.processes if recipe.train.sharding == "fsdp" else 0
    if importlib.util.find_spec("torch") is None:
        return Finding("gpu", "warning", "not looked for: torch is missing")
    import torch

    count = torch.cuda.device_count()
    if count < wanted:
        return Finding(
            "gpu",
            "problem",
            f"{count} GPUs; the recipe trains on {wanted}",
            "run it on a cluster (gukbap compile), or choose the recipe local",
        )
    return Finding("gpu", "ok", f"{count} GPUs" if count else "none; this recipe needs none")


def _inputs(recipe: Recipe) -> str:
    check_inputs(recipe)
    return f"the files and keys of {recipe.name} are there"


def _endpoint(endpoint: Endpoint) -> str:
    if endpoint.base_url is None:
        return f"{endpoint.model}, served in this process"
    import asyncio

    from gukbap.adapters.openai_chat import OpenAIChat

    listed = asyncio.run(OpenAIChat.from_endpoint(endpoint).list_models())
    if endpoint.model not in listed:
        raise EndpointError(
            f"{endpoint.base_url} answers, but lists no model {endpoint.model!r}",
            fix=f"choose one of {', '.join(sorted(listed)[:20])}",
        )
    return f"{endpoint.base_url} answers and has {endpoint.model}"


def _store(recipe: Recipe) -> str:
    from gukbap.adapters.stores import open_store

    store = open_store(recipe.store)
    if store is None:
        return "the run folder alone"
    store.list("")
    return f"{recipe.store.url} answers"


def _tracking(recipe: Recipe) -> str:
    from gukbap.handover import TRACKING_URI

    uri = os.environ.get(TRACKING_URI) or recipe.tracking.uri
    if not recipe.tracking.enabled:
        return "off"
    if not uri:
        return "a SQLite file beside the runs"
    from gukbap.adapters.mlflow_tracker import check_server

    check_server(uri)
    return f"{uri} answers"

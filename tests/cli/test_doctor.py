"""`gukbap doctor --cluster` as a user's shell calls it, against a kubeconfig's server."""

from __future__ import annotations

import json
from pathlib import Path

from tests.command import gukbap
from tests.kubernetes_server import NAMESPACE, contract_cluster


def kubeconfig(folder: Path, server: str) -> Path:
    """A kubeconfig (JSON is YAML) with one context."""
    path = folder / "kubeconfig"
    context = {"cluster": "c", "user": "u", "namespace": NAMESPACE}
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": [{"name": "here", "context": context}],
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": {}}],
            }
        )
    )
    return path


def test_findings_as_json_and_as_text(tmp_path: Path) -> None:
    with contract_cluster() as cluster:
        config = str(kubeconfig(tmp_path, cluster.client.configuration.host))
        arguments = ("doctor", "--cluster", "smoke", "--set", "tracking.enabled=false")
        done = gukbap(*arguments, "--json", cwd=tmp_path, KUBECONFIG=config)
        text = gukbap(*arguments, cwd=tmp_path, KUBECONFIG=config)
    assert (done.returncode, text.returncode) == (1, 1), done.stderr
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert findings["api"]["status"] == "ok"
    assert findings["secret"]["detail"] == "gukbap is not needed"
    assert findings["nodes for train"]["status"] == "problem"
    assert "PROBLEM  nodes for train: no room for" in text.stdout
    assert "next: " in text.stdout
    assert "Traceback" not in done.stderr + text.stderr


def test_wrong_invocations_exit_2(tmp_path: Path) -> None:
    without = gukbap("doctor", "--context", "x", cwd=tmp_path)
    assert (without.returncode, "go with --cluster" in without.stderr) == (2, True)
    nowhere = gukbap("doctor", "--cluster", "smoke", cwd=tmp_path, KUBECONFIG=str(tmp_path / "none"))
    assert nowhere.returncode == 2
    assert "the kubeconfig cannot be used" in nowhere.stderr
    assert "Traceback" not in nowhere.stderr

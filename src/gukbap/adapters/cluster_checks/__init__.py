"""Whether a cluster has what a recipe's pipeline asks of it: `gukbap doctor --cluster`.

| module | looks at |
| --- | --- |
| access | the API server, its version, the caller's rights |
| nodes | whether each step finds a node that it fits on |
| objects | secrets and their keys, ConfigMap, work claim, storage class, pod security, training runtime |
| services | Kubeflow Pipelines, MLflow, the bucket |
| images, registry | whether the steps' images can be pulled |
"""

from __future__ import annotations

from gukbap.adapters.cluster_checks.checks import check_cluster
from gukbap.adapters.cluster_checks.subject import Subject

__all__ = ["Subject", "check_cluster"]

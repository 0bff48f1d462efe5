"""Kubeflow Pipelines through its v2beta1 API (KFP 2.14 and later).

| module | does |
| --- | --- |
| connection, tokens, errors | one way to call the API: endpoint, token, time limits, clear errors |
| pipelines, parameters | pipelines, versions, and the parameters that a version takes |
| recurring, schedules | the recurring run of a recipe: made, elected, replaced; what people do with it |
| runs, steps, following, logs | runs, the states of their steps, following a run, logs |
| registration | all objects of a recipe, registered so that a second time changes nothing |

The generated client `kfp_server_api` is used, and not `kfp.Client` around it: that one prints links,
sleeps and retries out of sight, reads and writes ~/.config/kfp/context.json, swallows errors of the
kube config, and takes no time limit.
"""

from __future__ import annotations

from gukbap.adapters.kfp.connection import Connection, connect
from gukbap.adapters.kfp.following import FinalState, follow
from gukbap.adapters.kfp.registration import Change, apply, register
from gukbap.adapters.kfp.runs import StartedRun, list_runs, submit

__all__ = [
    "Change",
    "Connection",
    "FinalState",
    "StartedRun",
    "apply",
    "connect",
    "follow",
    "list_runs",
    "register",
    "submit",
]

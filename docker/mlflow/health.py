"""Exit 0 where the MLflow server under MLFLOW_HEALTH_URL answers a real call under that host name.

/health says 200 even where every other path is refused with 403 for its Host header, and where the
database is gone.
"""

import os
import urllib.request

url = os.environ["MLFLOW_HEALTH_URL"] + "/api/2.0/mlflow/experiments/search?max_results=1"
with urllib.request.urlopen(url, timeout=4) as answer:  # noqa: S310 - the server's own address
    answer.read()

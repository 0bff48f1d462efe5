"""Settings for all tests: nothing leaves the machine, nothing of the user's is touched."""

from __future__ import annotations

import os
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "1")
# A judge's reply that one test paid for is none of another's.
os.environ["GUKBAP_JUDGE_CACHE"] = tempfile.mkdtemp(prefix="gukbap-judge-cache-")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

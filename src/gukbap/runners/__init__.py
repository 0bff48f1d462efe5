"""Runners of the one DAG on one machine: in this process, or in a process a step (kfp.local)."""

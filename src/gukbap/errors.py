"""Errors that a person reads, and the exit code each leads to.

GukbapError                  exit 1: the run failed
├── EndpointError            a chat server cannot be reached or keeps failing
│   ├── AuthenticationError  it refuses the key (never tried again)
│   └── CallFailedError      one call failed after all its retries; others may not
├── BudgetError              what a run may spend is used up; what was made is kept
├── ModelError               a model cannot be found, fetched, verified or loaded
├── StoreError               the object store refuses or lacks something
├── StorageFullError         no space left on the device
├── ClusterError             Kubeflow Pipelines, or its cluster, refuses, fails or cannot be reached
└── UsageError               exit 2: the invocation or an input is wrong
    ├── ConfigError          a recipe or an override
    ├── InputError           an input file
    └── RunExistsError       a run id that is taken
"""

from __future__ import annotations


class GukbapWarning(UserWarning):
    """Something that a user should know and may ignore."""


class GukbapError(Exception):
    """One clear error: what was given, what was expected, what to do next.

    Args:
        problem: what went wrong, with what was given.
        expected: what would have been right.
        fix: the next step to take.
    """

    exit_code = 1

    def __init__(self, problem: str, *, expected: str | None = None, fix: str | None = None) -> None:
        self.problem, self.expected, self.fix = problem, expected, fix
        parts = [problem]
        if expected:
            parts.append(f"expected: {expected}")
        if fix:
            parts.append(f"next: {fix}")
        super().__init__("\n  ".join(parts))


class EndpointError(GukbapError):
    """A chat server cannot be reached or keeps failing."""


class AuthenticationError(EndpointError):
    """A chat server refuses the key or the rights; trying again cannot help."""


class CallFailedError(EndpointError):
    """One call failed for good: after all its retries, or because the server finds it wrong."""


class BudgetError(GukbapError):
    """What a run may spend is used up; what was paid for is kept."""


class ModelError(GukbapError):
    """A model cannot be found, fetched, verified or loaded."""


class StoreError(GukbapError):
    """The object store refuses or lacks something."""


class StorageFullError(GukbapError):
    """No space is left on the device; what was written before stays whole."""


class ClusterError(GukbapError):
    """Kubeflow Pipelines, or the cluster it runs on, refuses, fails or cannot be reached."""


class StageFailedError(GukbapError):
    """A stage that ran in another process failed; carries its words and exit code."""


class UsageError(GukbapError):
    """A wrong invocation, configuration or input."""

    exit_code = 2


class ConfigError(UsageError):
    """A recipe or an override that cannot be used."""


class InputError(UsageError):
    """An input file that is missing, empty or malformed."""


class RunExistsError(UsageError):
    """The run id is taken by a run of another recipe or a finished one."""

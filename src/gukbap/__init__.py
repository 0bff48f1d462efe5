"""gukbap: make, train, evaluate and document a Korean instruction model out of open-source models."""

__version__ = "0.1.0"

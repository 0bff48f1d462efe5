"""The tiny random model, as the tests of training have it."""

from tests.stages.train.conftest import base as base

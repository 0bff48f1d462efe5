"""What can be known to be wrong before a run starts is said before it starts."""

from __future__ import annotations

import os

from gukbap.config import Endpoint, Recipe
from gukbap.errors import ConfigError


def check_inputs(recipe: Recipe) -> None:
    """Read every input file and look for every key that the recipe names.

    Raises:
        InputError: a file is missing or malformed.
        ConfigError: an environment variable is not set, or too few questions or seeds are there.
    """
    from gukbap.benchmarks import load_questions, load_strategies
    from gukbap.stages.generate import as_many_as_there_are, draw_seeds, load_seeds

    # What lies elsewhere is looked for where the steps run: this machine may have no keys for it.
    if not recipe.generate.seeds.startswith(("s3://", "hf://")):
        config, seeds = recipe.generate, load_seeds(recipe.generate)
        if recipe.data.store is not None:
            config = as_many_as_there_are(config, seeds)
        draw_seeds(config, seeds, recipe.seed)
    if not recipe.evaluate.pack.startswith("s3://"):
        load_questions(recipe.evaluate.pack, recipe.evaluate.questions_per_category)
        load_strategies(recipe.evaluate.strategies_file, recipe.evaluate.pack)
    for key, endpoint in (("teacher", recipe.teacher), ("judge.endpoint", recipe.judge.endpoint)):
        for server in endpoint.mirrored():
            _check_key(key, server)


def _check_key(key: str, endpoint: Endpoint) -> None:
    name = endpoint.api_key_env
    if name and not os.environ.get(name):
        raise ConfigError(
            f"{key}.api_key_env names {name}, which is not set", fix=f"export {name}=… and run again"
        )

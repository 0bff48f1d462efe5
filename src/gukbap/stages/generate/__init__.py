"""Generate: Korean instructions by Evol-Instruct, answered by an open-weight teacher."""

from gukbap.stages.generate.new_seeds import as_many_as_there_are, new_seeds, strangers
from gukbap.stages.generate.seeds import draw_seeds, load_seeds
from gukbap.stages.generate.stage import GenerateResult, generate

__all__ = [
    "GenerateResult",
    "as_many_as_there_are",
    "draw_seeds",
    "generate",
    "load_seeds",
    "new_seeds",
    "strangers",
]

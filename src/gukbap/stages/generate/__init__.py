"""Generate: Korean instructions by Evol-Instruct, answered by an open-weight teacher."""

from gukbap.stages.generate.seeds import draw_seeds, load_seeds
from gukbap.stages.generate.stage import GenerateResult, generate

__all__ = ["GenerateResult", "draw_seeds", "generate", "load_seeds"]

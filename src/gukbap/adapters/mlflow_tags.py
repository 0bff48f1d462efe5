"""By which tags a run is found, and by which it is told from others."""

from __future__ import annotations

from collections.abc import Mapping

from gukbap import __version__
from gukbap.config import Recipe

RUN_TAG = "kfp.run_id"
STAGE_TAG = "gukbap.stage"


def parent_tags(
    recipe: Recipe, run_id: str, images: Mapping[str, str], *, dataset_sha256: str | None = None
) -> dict[str, str]:
    """What a run is made of, as tags of its parent run; what is not known is left out.

    Args:
        recipe: as it is run.
        run_id: KFP's id of the run, or the run folder's.
        images: role (cpu, train, infer) → image reference. A digest is read from a reference that
            has one (`name@sha256:…`), or given under `<role>.digest`.
        dataset_sha256: of the training rows.
    """
    tags = {
        RUN_TAG: run_id,
        "gukbap.recipe": recipe.name,
        "gukbap.recipe_hash": recipe.hash,
        "gukbap.version": __version__,
        "gukbap.scripted": str(recipe.scripted).lower(),
    }
    if recipe.cluster.ui_url:
        tags["kfp.run_url"] = f"{recipe.cluster.ui_url.rstrip('/')}/#/runs/details/{run_id}"
    if dataset_sha256:
        tags["gukbap.dataset_sha256"] = dataset_sha256
    for role, reference in images.items():
        tags[f"image.{role}"] = reference
        _, has_digest, digest = reference.partition("@")
        if has_digest:
            tags.setdefault(f"image.{role}.digest", digest)
    return tags

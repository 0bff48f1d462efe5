from __future__ import annotations

from pathlib import Path

import pytest

from gukbap.recipes import load_recipe
from gukbap.workers.editions import Ledger, Planned, plan_editions
from gukbap.workers.prepare import NEEDS, step_settings

SMOKE = load_recipe("smoke")


class World:
    """A ledger, and a store in which artifacts are or are not."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.gone = Ledger(folder), set[str]()

    def plan(self, run: str, *overrides: str, fresh: tuple[str, ...] = ()) -> dict[str, Planned]:
        return plan_editions(
            step_settings(load_recipe("smoke", overrides)),
            NEEDS,
            run_id=run,
            fresh=fresh,
            ledger=self.ledger,
            is_there=lambda uri: uri not in self.gone,
        )

    def run(self, run: str, *overrides: str, fresh: tuple[str, ...] = ()) -> dict[str, Planned]:
        """Plan a run and do its work."""
        planned = self.plan(run, *overrides, fresh=fresh)
        for step, plan in planned.items():
            self.ledger.record(plan.edition, [f"s3://bucket/{step}"])
        return planned


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "ledger")


def editions(planned: dict[str, Planned]) -> dict[str, str]:
    return {step: plan.edition for step, plan in planned.items()}


def verdicts(planned: dict[str, Planned], verdict: str) -> set[str]:
    return {step for step, plan in planned.items() if plan.verdict == verdict}


def test_a_first_run_is_new_and_a_second_of_the_same_has_the_same_editions(world: World) -> None:
    first, second = world.run("one"), world.plan("two")
    assert verdicts(first, "new") == set(first)
    assert verdicts(second, "known") == set(second)
    assert editions(first) == editions(second)
    assert len(set(editions(first).values())) == len(first)


def test_a_changed_setting_renews_its_step_and_every_step_after_it(world: World) -> None:
    world.run("one")
    planned = world.plan("two", "train.learning_rate=2e-3")
    renewed = {step for step in planned if step == "train" or "tuned" in step}
    assert verdicts(planned, "new") == renewed
    assert verdicts(planned, "known") == set(planned) - renewed


def test_an_artifact_that_is_gone_renews_its_step_and_every_step_after_it(world: World) -> None:
    first = world.run("one")
    world.gone.add("s3://bucket/split")
    planned = world.plan("two")
    assert verdicts(planned, "gone") == {"split"}
    after = {step for step in planned if step == "train" or "tuned" in step}
    assert verdicts(planned, "new") == after
    assert planned["split"].edition != first["split"].edition
    assert planned["generate"] == Planned(first["generate"].edition, "known")


def test_what_was_rebuilt_is_known_from_then_on(world: World) -> None:
    world.run("one")
    world.gone.add("s3://bucket/split")
    rebuilt = world.run("two")
    world.gone.clear()
    third = world.plan("three")
    assert editions(third) == editions(rebuilt)
    assert verdicts(third, "known") == set(third)


def test_a_scheduled_run_generates_anew_whatever_is_known(world: World) -> None:
    world.run("one")
    planned = world.run("two", fresh=("generate",))
    assert verdicts(planned, "fresh") == {"generate"}
    assert verdicts(planned, "known") == {
        step for step in planned if step.startswith(("infer-base", "judge-base"))
    }
    again = world.plan("three", fresh=("generate",))
    assert again["generate"].edition != planned["generate"].edition
    # Another try of the same scheduled run goes on with its own data.
    assert editions(world.plan("two", fresh=("generate",))) == editions(planned)


def test_a_damaged_note_means_a_rebuild_and_no_failure(world: World, tmp_path: Path) -> None:
    planned = world.run("one")
    (tmp_path / "ledger" / f"{planned['dedup'].edition}.json").write_text('{"edition": ')
    assert verdicts(world.plan("two"), "new") == {"dedup"}


def test_an_edition_does_not_depend_on_an_earlier_edition_of_its_own() -> None:
    settings = step_settings(SMOKE)
    changed = {step: values.model_copy(update={"edition": "x"}) for step, values in settings.items()}
    plans = [
        plan_editions(given, NEEDS, run_id="r", fresh=(), ledger=None, is_there=lambda uri: True)
        for given in (settings, changed)
    ]
    assert plans[0] == plans[1]

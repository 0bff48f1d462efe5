"""Which facts and samples a report takes."""

from __future__ import annotations

from gukbap.stages.report import Licence, ModelSource, build_facts
from gukbap.stages.report.facts import draw_samples
from gukbap.stages.report.funnel import funnel, operation_counts
from gukbap.stages.report.history import loss_series
from tests.stages.report import samples


def test_samples_are_two_of_each_operation_with_their_parents_first() -> None:
    drawn = draw_samples(samples.rows())
    assert [sample.operation for sample in drawn] == [
        None,
        *(operation for operation in samples.OPERATIONS for _ in range(2)),
    ]
    assert drawn[0].parent_instruction is None
    assert drawn[1].id == "constraints-a"
    assert drawn[1].parent_instruction == "국밥을 소개하는 글을 써 주세요."
    assert drawn[2].parent_instruction is None


def test_samples_do_not_depend_on_the_order_of_rows() -> None:
    assert draw_samples(samples.rows()) == draw_samples(samples.rows()[::-1])


def test_steps_of_infer_and_judge_are_found_under_both_names() -> None:
    facts = build_facts(samples.recipe(), statistics=samples.statistics())
    assert list(facts.infer) == ["tuned default"]
    assert list(facts.judge) == ["tuned-default"]


def test_licences_are_put_beside_their_models() -> None:
    recipe = samples.recipe()
    known = {recipe.student.model: ModelSource(licence=Licence(name="Apache-2.0"))}
    facts = build_facts(recipe, statistics={}, sources=known)
    assert {fact.role: fact.licence for fact in facts.models} == {
        "teacher": None,
        "student": "Apache-2.0",
        "judge": None,
    }


def test_a_password_in_a_url_does_not_reach_the_facts() -> None:
    recipe = samples.recipe(
        "teacher.base_url=https://me:hunter2@teacher.example/v1", "teacher.licence=Apache-2.0"
    )
    facts = build_facts(recipe, statistics={})
    assert facts.recipe["teacher"]["base_url"] == "https://teacher.example/v1"
    assert "hunter2" not in facts.model_dump_json()


def test_the_funnel_reads_the_stages_reasons() -> None:
    facts = build_facts(samples.recipe(), statistics=samples.statistics())
    generate, clean, dedup = funnel(facts)
    assert (clean.stage, clean.kept, clean.dropped) == ("clean", 48, {"leak": 1, "repetition": 1})
    assert (generate.stage, generate.kept, generate.dropped_total) == ("generate", 48, 14)
    assert list(generate.dropped) == ["refusal", "too little Hangul <b>"]
    assert (dedup.kept, dedup.dropped) == (41, {"same response": 7})
    assert operation_counts(facts) == [("seed", 20, 0), ("deepen", 28, 14)]


def test_loss_curves_leave_out_what_is_not_finite() -> None:
    history = [
        {"step": 0, "validation_loss": 3.0},
        {"step": 1, "loss": float("nan")},
        {"step": 2, "loss": 2.0},
    ]
    training, validation = loss_series({"history": history})
    assert (training.label, training.steps, training.values) == ("training", (2.0,), (2.0,))
    assert validation.validation
    assert loss_series(None) == []

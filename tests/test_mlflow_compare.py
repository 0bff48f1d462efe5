"""MLflow's own pages in a real browser: two runs side by side, and the prepared view of an experiment."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from gukbap.adapters.mlflow_tracker import MlflowTracker, open_run
from gukbap.adapters.mlflow_view import prepare_view
from tests.browser import chromium, missing_programs
from tests.servers import mlflow_server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.mlflow,
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(missing_programs()), reason=f"{', '.join(missing_programs())} not installed (Debian's packages)"
    ),
]
#: what two runs of the same recipe differ in; the values are made up for this test
RUNS = {
    "epochs-2": ({"train.epochs": 2}, {"overall.tuned.default": 6.125, "train.validation_loss": 0.5831}),
    "epochs-3": ({"train.epochs": 3}, {"overall.tuned.default": 6.375, "train.validation_loss": 0.6142}),
}


def logged(uri: str) -> list[MlflowTracker]:
    """The two runs, each with one nested run as every real run has them."""
    trackers = []
    for name, (params, metrics) in RUNS.items():
        tracker = open_run("gukbap", name, name, uri)
        tracker.params(params)
        tracker.metrics(metrics)
        stage = tracker.child("train")
        stage.metrics({"loss": 1.0})
        stage.finish()
        tracker.finish()
        trackers.append(tracker)
    return trackers


def beside(browser: WebDriver, name: str) -> list[str]:
    """What stands to the right of a metric's name on the screen: the grid is drawn by position."""
    line = browser.find_element(By.LINK_TEXT, name).rect
    leaves = browser.find_elements(By.XPATH, "//*[@role='grid']//*[not(*) and normalize-space()]")
    row = [leaf for leaf in leaves if abs(leaf.rect["y"] - line["y"]) < line["height"]]
    values = [leaf for leaf in row if leaf.rect["x"] > line["x"] + line["width"]]
    return [leaf.text for leaf in sorted(values, key=lambda leaf: float(leaf.rect["x"]))]


def test_two_runs_stand_side_by_side(tmp_path: Path) -> None:
    picture = tmp_path / "compare.png"
    with mlflow_server() as uri, chromium() as browser:
        runs = logged(uri)
        ids = quote(json.dumps([run.run_id for run in runs]))
        experiments = quote(json.dumps([runs[0].experiment_id]))
        browser.get(f"{uri}/#/compare-runs?runs={ids}&experiments={experiments}")
        wanted = [*RUNS, *(run.run_id for run in runs), "overall.tuned.default", "train.validation_loss"]
        wanted += ["6.125", "6.375", "0.583", "0.614", "train.epochs"]

        def missing() -> list[str]:
            text = browser.find_element(By.TAG_NAME, "body").text
            return [word for word in wanted if word not in text]

        WebDriverWait(browser, 90, poll_frequency=0.5).until(lambda _: not missing(), f"{missing()}")
        shown = {name: beside(browser, name) for name in ("overall.tuned.default", "train.validation_loss")}
        assert browser.save_screenshot(str(picture))
    assert shown["overall.tuned.default"] == ["6.125", "6.375"]
    assert shown["train.validation_loss"] == ["0.583", "0.614"]
    with Image.open(picture) as image:
        colours = image.convert("RGB").resize((200, 200)).getcolors(maxcolors=40_000)
        assert image.size[0] >= 1000 and image.size[1] >= 1000
    assert colours is not None and len(colours) > 50, "the picture is blank"


def test_the_prepared_view_has_its_columns_order_and_charts() -> None:
    scores = {"worse": 6.125, "better": 6.375}
    with mlflow_server() as uri, chromium() as browser:
        for name, score in scores.items():
            tracker = open_run("gukbap", name, name, uri)
            tracker.metrics({"score.default": score, "score.math.default": score, "another": 1.0})
            tracker.tags({"gukbap.verdict": "held"})
            tracker.finish()
        path = prepare_view(tracker.client, uri, tracker.experiment_id)

        def shown(address: str, words: list[str]) -> str:
            browser.get(address)

            def text() -> str:
                return str(browser.find_element(By.TAG_NAME, "body").text)

            WebDriverWait(browser, 90, poll_frequency=0.5).until(
                lambda _: all(word in text() for word in words), f"{words}"
            )
            return text()

        table = shown(f"{uri}/{path}", ["score.default", "6.375", "6.125", "held"])
        assert "another" not in table
        assert table.index("better") < table.index("worse")
        browser.get("about:blank")
        shown(
            f"{uri}/{path}&compareRunsMode=CHART", ["Scores by strategy", "Categories", "score.math.default"]
        )

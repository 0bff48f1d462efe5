"""Generation against a server with faults, killed again and again: nothing lost, nothing paid for twice.

2,000 seeds and 50 kills: bench/generation_faults.py.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gukbap.files import read_jsonl
from gukbap.schemas import Row
from gukbap.stages.provenance import breaches
from tests.generating.runs import generate, kill_and_resume, serving, write_seeds

CONCURRENCY = 16
KILLS = 8


@pytest.mark.slow
def test_faults_and_kills_leave_the_rows_of_a_run_without_them(tmp_path: Path) -> None:
    seeds = write_seeds(tmp_path / "seeds.txt", 150)
    with serving(latency=0.02) as server:
        url = server.url
        generate(server, seeds, tmp_path / "whole", teacher__concurrency=CONCURRENCY)
        calls = sum(server.told()["told"].values())
    with serving(latency=0.02, faults=0.04, seed=2) as server:
        killed = kill_and_resume(
            server, seeds, tmp_path / "killed", KILLS, random.Random(5), teacher__concurrency=CONCURRENCY
        )
        told = server.told()
    assert killed == KILLS
    assert told["requests"] > calls, "there were faults"
    # Every call of the whole run was answered; what was under way at a kill may have been answered unheard.
    assert len(told["told"]) == calls
    assert sum(told["told"].values()) - calls <= KILLS * CONCURRENCY
    for name in ("rows.jsonl", "dropped.jsonl"):
        whole, again = ((tmp_path / run / name).read_text("utf-8") for run in ("whole", "killed"))
        # The two servers differ in their port alone, which the rows tell.
        assert again.replace(server.url[7:], url[7:]) == whole
    rows = read_jsonl(tmp_path / "killed/rows.jsonl", Row)
    assert len(rows) > 150
    assert breaches(rows) == []

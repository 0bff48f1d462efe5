"""Judge: a chat model scores both turns of every answer, without invented zeros."""

from gukbap.stages.judge.messages import judge_messages, shown_answer
from gukbap.stages.judge.stage import JudgeResult, judge
from gukbap.stages.judge.verdict import Verdict, parse_verdict

__all__ = ["JudgeResult", "Verdict", "judge", "judge_messages", "parse_verdict", "shown_answer"]

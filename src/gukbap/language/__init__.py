"""Whether an answer keeps to the benchmark's language rule, told without a model, beside the judge's score.

The rule is that of LogicKor's judge rubric: the answer must be Korean, else its score is 0, unless the
question asks for another language or for code.
"""

from gukbap.language.audit import LanguageAudit, Verdict, audit
from gukbap.language.disagreement import Scored, disagreement, disagreements
from gukbap.language.request import requested_scripts
from gukbap.language.scripts import Script

__all__ = [
    "LanguageAudit",
    "Scored",
    "Script",
    "Verdict",
    "audit",
    "disagreement",
    "disagreements",
    "requested_scripts",
]

"""The importer of LogicKor: upstream's files, read and never executed, become an evaluation pack."""

from gukbap.benchmarks.logickor.importing import Imported, import_logickor

__all__ = ["Imported", "import_logickor"]

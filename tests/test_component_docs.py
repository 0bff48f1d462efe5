from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.component_docs import FOLDER, pages

TOOL = Path(__file__).resolve().parent.parent / "tools" / "component_docs.py"


def test_the_components_pages_are_what_the_code_says() -> None:
    assert {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.md")} == pages()


def test_every_input_and_output_has_a_meaning() -> None:
    for name, text in pages().items():
        assert "|  |" not in text, name


def test_a_page_that_is_out_of_date_is_found(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; import tools.component_docs as docs; "
        f"docs.FOLDER = Path({str(tmp_path)!r}); sys.argv = ['x', '--check']; sys.exit(docs.main())"
    )
    checked = subprocess.run(
        [sys.executable, "-c", script], cwd=TOOL.parent.parent, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 1
    assert "components/docs/generate.md is not what the code says" in checked.stderr

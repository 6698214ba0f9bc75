"""The Python code of the guide runs, a page's blocks in turn; `<!-- python: NAME -->` says what a block needs."""
import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "python.md"
BLOCKS = re.findall(r"(?:<!-- python: (\w+) -->\n)?```python\n(.*?)```", GUIDE.read_text(), re.S)


@pytest.mark.parametrize("needed, code", BLOCKS, ids=[f"block{i}" for i in range(len(BLOCKS))])
def test_block(needed, code):
    if needed:
        pytest.importorskip(needed)
    elif "estimators" in code:
        pytest.importorskip("sklearn")
    exec(compile(code, str(GUIDE), "exec"), {})


def test_the_guide_has_code():
    assert len(BLOCKS) == 4

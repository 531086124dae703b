"""The README's Python is executed, and what it prints is what the README shows."""

import doctest
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_readmes_code_prints_what_the_readme_shows():
    text = README.read_text().replace("```python\n", "").replace("\n```\n", "\n\n")
    example = doctest.DocTestParser().get_doctest(text, {}, "README", str(README), 0)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    results = runner.run(example, out=report.append)
    assert results.attempted >= 12
    assert results.failed == 0, "".join(report)

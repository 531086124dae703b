"""`gdfunc parity --deviations`."""

import pytest

from gdfunc.cli import main
from gdfunc.report import deviations_page


def test_the_page_of_known_differences_is_printed_and_nothing_else(capsys):
    assert main(["parity", "--deviations"]) == 0
    captured = capsys.readouterr()
    assert captured.out == deviations_page()
    assert captured.err == ""


@pytest.mark.parametrize("other", [["adam"], ["--all"], ["--quick"], ["--jobs", "2"], ["--out", "here"], ["--json"]])
def test_it_takes_no_name_and_no_other_option(capsys, other):
    assert main(["parity", *other, "--deviations"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("gdfunc: parity --deviations prints one page of all records")

"""A diagnosis in the terminal says what a short training came to, as it is and under each remedy."""

from rich.console import Console

from gdfunc.diagnosis import Diagnosis, Finding, Remedy
from gdfunc.report import diagnosis


def shown(found):
    console = Console(width=120)
    with console.capture() as captured:
        console.print(diagnosis(found))
    return captured.get()


def test_the_losses_of_a_short_training_are_shown_where_one_was_made():
    remedies = Remedy("clipped", 0.5, None, True, (2.5, 0.25)), Remedy("drawn anew", 0.5, 0.1, False, (2.5, 3.0))
    finding = Finding("exploding", "first", "it grows", 0.5, 0.25, "decades a layer", "a book", remedies, (2.5, 1.25))
    words = shown(Diagnosis((finding,)))
    assert "as it is: trained, loss 2.5 -> 1.25" in words
    assert "+ clipped: trained, loss 2.5 -> 0.25" in words
    assert "drawn anew: 0.5 -> 0.1; trained, loss 2.5 -> 3, not enough" in words
    untrained = Finding("exploding", "first", "it grows", 0.5, 0.25, "decades a layer", "a book")
    assert "trained" not in shown(Diagnosis((untrained,)))

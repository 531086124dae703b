"""A progress bar on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..core import need


@contextmanager
def progress_bar(steps: int, shown: bool) -> Iterator[Callable[[int, float], None]]:
    """A function of (steps made, loss) that moves the bar; without `shown` it does nothing."""
    if not shown:
        yield lambda made, loss: None
        return
    columns = need("rich.progress")
    shown_columns = (
        columns.TextColumn("loss {task.fields[loss]:.4g}"),
        columns.BarColumn(),
        columns.MofNCompleteColumn(),
        columns.TimeRemainingColumn(),
    )
    with columns.Progress(*shown_columns, console=need("rich.console").Console(stderr=True)) as bar:
        task = bar.add_task("train", total=steps, loss=float("nan"))
        yield lambda made, loss: bar.update(task, completed=made, loss=loss)

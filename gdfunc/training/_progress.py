"""A progress bar on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(steps: int, shown: bool) -> Iterator[Callable[[int, float], None]]:
    """A function of (steps made, loss) that moves the bar; without `shown` it does nothing."""
    if not shown:
        yield lambda made, loss: None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError as error:
        raise ImportError(
            "train(progress=True) needs rich, which gdfunc[lab] brings: pip install 'gdfunc[lab]'"
        ) from error
    columns = TextColumn("loss {task.fields[loss]:.4g}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("train", total=steps, loss=float("nan"))
        yield lambda made, loss: bar.update(task, completed=made, loss=loss)

"""Records as TensorBoard's event files."""

import os
from collections.abc import Mapping
from typing import Any


class TensorBoard:
    """A tracker that writes each record as scalars of TensorBoard: `watch(..., log=TensorBoard("events"))`, `gd.train(..., log=...)`.

    Needs tensorboardX, which `pip install tensorboardX` brings. `tensorboard --logdir events` shows them.

    Args:
        folder: where the event files go.

    Raises:
        ImportError: where there is no tensorboardX.
    """

    def __init__(self, folder: str | os.PathLike):
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError("TensorBoard needs tensorboardX: pip install tensorboardX") from error
        self._writer = SummaryWriter(os.fspath(folder))

    def log(self, record: Mapping[str, Any]) -> None:
        """Writes the numbers of a record at its "step", and flushes them."""
        for name, value in record.items():
            if name != "step":
                self._writer.add_scalar(name, value, record["step"])
        self._writer.flush()

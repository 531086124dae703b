"""What a run came to, as a value with a remedy in words."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        code: "steps" (all were made), "target", "gradient_norm", "loss_change", "plateau" or "non_finite" from `train`;
            "bracketed", "stationary", "steps" or "non_finite" from `bracket`.
        step: the step at which it ended, 1 for the first.
        message: what happened, in words.
        remedy: what to try, in words; "" where nothing is wrong.
    """

    code: str
    step: int
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f"; {self.remedy}" if self.remedy else "")

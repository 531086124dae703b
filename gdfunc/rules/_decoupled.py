"""What rules whose weight decay stands beside the gradient have in common."""

from typing import Literal

from ..core import ArrayRule, NonNegative, Rate, rule


@rule
class Decoupled(ArrayRule):
    """Adds weight decay to the rule that follows among a class's bases; its fields come after that rule's."""

    learning_rate: Rate
    weight_decay: NonNegative = 1.25e-4
    schedule: NonNegative = 1.0
    decay: Literal["schedule", "rate", "coupled"] = "schedule"

    needs = ("params",)

    def step(self, g, memory, p, t):
        if self.decay == "coupled":
            return super().step(g + self.weight_decay * p, memory, p, t)
        u, memory = super().step(g, memory, p, t)
        share = (self.schedule if self.decay == "schedule" else self.learning_rate) * self.weight_decay
        return u - share * p, memory

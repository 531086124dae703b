from ..core import ArrayRule, Scalar, rule


@rule
class Scale(ArrayRule):
    r"""Multiplies the gradient by a number: with -eta the step of steepest descent (Cauchy 1847, Comptes rendus 25, <https://gallica.bnf.fr/ark:/12148/bpt6k2982c/f540>).

    $$g_t \leftarrow \theta_t\, g_t$$

    A part for a chain. Our rules descend: `chain(Scale(-1.0), Adam(1e-3))` climbs, which maximises, and
    `chain(Adam(1e-3), Scale(schedule))` multiplies Adam's updates by a schedule.

    Args:
        factor: theta, any finite number: 1 changes nothing, below 0 turns descent into ascent.
    """

    factor: Scalar

    def step(self, g, memory, p, t):
        return self.factor * g, memory

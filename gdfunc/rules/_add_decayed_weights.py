from ..core import ArrayRule, NonNegative, rule


@rule
class AddDecayedWeights(ArrayRule):
    r"""Adds the gradient of an L2 penalty to the gradient (Krogh & Hertz 1991, NeurIPS, <https://proceedings.neurips.cc/paper/1991/hash/8eefcfdf5990e441f0fb6f3fad709e21-Abstract.html>).

    $$g_t \leftarrow g_t + \lambda \theta_{t-1}$$

    A part for a chain, `chain(AddDecayedWeights(1e-4), SGD(0.1))`: it returns a gradient, sign unchanged. Before a rule
    this is weight decay as PyTorch's `weight_decay=` means it everywhere but in AdamW; adaptive rules then divide the
    decay by the gradient's size, which AdamW does not.

    Args:
        weight_decay: lambda >= 0, in units of g per unit of theta: the penalty is lambda / 2 times the squared norm.
    """

    weight_decay: NonNegative

    needs = ("params",)

    def step(self, g, memory, p, t):
        return g + self.weight_decay * p, memory

"""What every rule is: a pytree of hyperparameters with `init` and `update`."""

from typing import Any, ClassVar, NamedTuple, Protocol, dataclass_transform, runtime_checkable

from jax import Array

from ._fields import Fields, pytree_dataclass
from ._trees import Tree


@runtime_checkable
class Transformation(Protocol):
    """Anything with Optax's two methods: our rules, Optax's transformations, a user's own pair."""

    init: Any
    update: Any


class RuleState(NamedTuple):
    """What a rule carries from one update to the next.

    Attributes:
        step: () int32, how many updates were made; stops at 2**31 - 1.
        memory: the rule's `Memory`, each field a tree shaped as `start` made it; () where there is none.
    """

    step: Array
    memory: Any


class Rule(Fields):
    """Base of all rules: a pytree of hyperparameters with Optax's `init` and `update`.

    Attributes:
        needs: what `update` must be given beyond gradients and state. `train` gives all of it:
            "params", the parameters; "value", the loss, a () array; "value_fn", parameters -> loss, and "grad_fn",
            parameters -> gradients, on the step's batch; "key", a JAX key, another at every step; "per_example_grads",
            the gradients of each example, with a leading axis.
    """

    needs: ClassVar[tuple[str, ...]] = ()

    def init(self, params: Tree) -> Any:
        """The state before the first update.

        Args:
            params: a pytree of real floating-point arrays.

        Raises:
            ValueError: on an empty tree, or naming a leaf that is not a real floating-point array.
        """
        raise NotImplementedError

    def update(self, grads: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        """The updates to add to the parameters, and the new state.

        Args:
            grads: the gradients, a pytree alike `params`.
            state: what `init` or the last `update` returned.
            params: the parameters that the gradients were taken at; needed where `needs` says so.
            **extra: whatever else rules in a chain need (`value`, ...); a rule takes what it knows.

        Returns:
            (updates, state): updates have the shapes and dtypes of `grads`; add them with `apply_updates`.

        Raises:
            ValueError: naming the leaf where gradients, parameters and state do not match.
        """
        raise NotImplementedError


@dataclass_transform(frozen_default=True)
def rule(cls: type) -> Any:
    """Makes a class a rule: a frozen dataclass, and a pytree whose leaves are its hyperparameters.

    Fields annotated `Rate`, `Decay`, `NonNegative`, `Positive` or `Scalar` are numbers, checked on construction; each
    may be a schedule. Fields annotated `Literal[...]` or `bool` are conventions: static, and choices of one formula.

    Args:
        cls: a subclass of `ArrayRule`, `TreeRule` or `Rule`.

    Returns:
        The same class.
    """
    return pytree_dataclass(cls)

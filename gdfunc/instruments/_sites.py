"""Where in a traced loss the parameters do their work: every weighted operation, named by what it consumes."""

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, NamedTuple

from ..core import jaxpr as jx
from ._activation import Activation, find_activations
from ._program import WEIGHTED, Block, Op, Ref, contains

# What may stand between a product and the addition of its bias.
LAYOUT = frozenset(
    {"reshape", "transpose", "convert_element_type", "squeeze", "broadcast_in_dim", "copy", "sharding_constraint"}
)


class Source(NamedTuple):
    """Where a value comes from."""

    params: frozenset[str] = frozenset()  # paths of the parameters in it, until they meet data
    data: bool = False  # the batch is in it, or what a site made
    array: bool = False  # an array that the loss closes over is in it
    sliced: frozenset[int] = frozenset()  # the scans that walk along these parameters' first axis
    owners: frozenset[int] = frozenset()  # the sites that it went through last
    whole: bool = False  # not summed up since then

    @property
    def only_params(self) -> bool:
        return bool(self.params) and not self.data


class Level(NamedTuple):
    """A scan around a site: how long, and whether each turn has weights of its own (else it is time)."""

    length: int
    layers: bool


@dataclass
class Site:
    """A weighted operation: `input` is what its weights multiply, `output` what comes out, bias included."""

    name: str
    kind: str  # the primitive's name
    weights: tuple[str, ...]
    block: Block
    op: Op
    operand: int  # which input of the operation is the data
    input: Ref
    chain: tuple[Ref, ...]  # from the product to the end of the layer
    levels: tuple[Level, ...]
    first: bool  # whether the data come to it without having gone through another site
    bias: tuple[str, ...] = ()
    activations: list[Activation] = field(default_factory=list)

    @property
    def output(self) -> Ref:
        return self.chain[-1]

    @property
    def unit_axis(self) -> int:
        """The axis of the output, counted from its end, along which its units (features, channels) lie."""
        axis, eqn = len(self.op.eqn.outvars[0].aval.shape) - 1, self.op.eqn
        if self.kind == "conv_general_dilated":
            axis = eqn.params["dimension_numbers"].out_spec[1]
        if self.kind == "dot_general" and self.operand == 1:  # (batch axes, the weights' own, the data's own)
            contracted, _ = (each[0] for each in eqn.params["dimension_numbers"])
            axis = max(0, len(eqn.invars[0].aval.shape) - len(contracted) - 1)
        makers = {op.outputs[0]: op for op in self.block.ops}
        for ref in self.chain[1:]:
            axis = _moved(axis, makers[ref].eqn)
        return axis - len(self.block.avals[self.output].shape)

    @property
    def weight_unit_axis(self) -> int:
        """The axis of the weights along which their units lie."""
        if self.kind == "conv_general_dilated":
            return self.op.eqn.params["dimension_numbers"].rhs_spec[0]
        if self.kind == "dot_general":
            contracted, batched = self.op.eqn.params["dimension_numbers"]
            taken = {*contracted[1 - self.operand], *batched[1 - self.operand]}
            free = [i for i in range(len(self.op.eqn.invars[1 - self.operand].aval.shape)) if i not in taken]
            return free[-1] if free else -1
        return -1


def find_sites(program: Block, sources: list[Source]) -> tuple[list[Site], list[str]]:
    """The sites of a program in the order of its run, and sentences on what cannot be seen.

    Args:
        program: the loss.
        sources: of each of its inputs.
    """
    finder = _Finder()
    finder.walk(program, sources, ())
    for each in itertools.chain(*finder.activations.values()):
        site = finder.sites[each.follows]
        # What comes after the last layer is the loss's, but for a squashed output.
        if each.follows in finder.feeds or (each.bounded and each.root in site.chain):
            site.activations.append(each)
    return finder.sites, list(dict.fromkeys(finder.unseen))


class _Finder:
    def __init__(self):
        self.sites: list[Site] = []
        self.loops: list[tuple] = []  # around each site
        self.feeds: set[int] = set()  # sites after which another one comes
        self.activations: dict[int, list[Activation]] = {}  # by block
        self.unseen: list[str] = []
        self.layered: set[int] = set()  # the scans that walk along parameters
        self.scans = itertools.count()

    def walk(self, block: Block, inputs: list[Source], levels: tuple[tuple[int, int], ...]) -> list[Source]:
        env = {ref: Source(array=bool(block.avals[ref].shape)) for ref in block.consts}
        env |= dict(zip(block.inputs, inputs, strict=True))
        look = lambda x: Source() if isinstance(x, jx.Literal) else env[x]  # noqa: E731
        here = []
        for op in block.ops:
            found = [look(x) for x in op.inputs]
            if op.blocks:
                env |= dict(zip(op.outputs, self.enter(op, found, levels), strict=True))
                continue
            together = join(found)
            if (operand := _data_operand(op, found)) is not None:
                here.append(self.add_site(block, op, operand, found, levels))
                together = Source(data=True, owners=frozenset([len(self.sites) - 1]), whole=True)
            elif together.data:
                if op.name == "name":
                    self.add_tag(block, op, levels)
                whole = together.whole and not op.name.startswith(("reduce_", "arg"))
                together = together._replace(params=frozenset(), sliced=frozenset(), whole=whole)
                if op.name == "while" and contains(op.eqn, WEIGHTED):
                    self.unseen.append(f"layers inside a while loop at {jx.source_line(op.eqn)} are not seen")
            env |= dict.fromkeys(op.outputs, together)
        for site in here:
            site.chain, site.bias = _tail(block, site.chain[0], env)
        # One in another loop than its layer has other turns.
        found = find_activations(block, env)
        self.activations[id(block)] = [each for each in found if self.loops[each.follows] == levels]
        return [look(x) for x in block.outputs]

    def add_site(self, block: Block, op: Op, operand: int, found: list[Source], levels: tuple) -> Site:
        weights = join(source for source in found if source.only_params)
        self.feeds |= found[operand].owners
        site = Site(
            name=self.free("+".join(sorted(weights.params))),
            kind=op.name,
            weights=tuple(sorted(weights.params)),
            block=block,
            op=op,
            operand=operand,
            input=op.inputs[operand],
            chain=(op.outputs[0],),
            levels=tuple(Level(length, scan in weights.sliced) for scan, length in levels),
            first=not found[operand].owners,
        )
        self.sites.append(site)
        self.loops.append(levels)
        return site

    def add_tag(self, block: Block, op: Op, levels: tuple) -> None:
        """A value that the user gave a name, with `tap` or `checkpoint_name`."""
        where = tuple(Level(length, scan in self.layered) for scan, length in levels)
        name, (taken,), (given,) = self.free(op.eqn.params["name"]), op.inputs, op.outputs
        self.sites.append(Site(name, "tag", (), block, op, 0, taken, (given,), where, first=False))
        self.loops.append(levels)

    def free(self, base: str) -> str:
        """The name, or where it is taken `base#2`."""
        taken = {site.name for site in self.sites}
        return next(name for n in itertools.count(1) if (name := base if n == 1 else f"{base}#{n}") not in taken)

    def enter(self, op: Op, found: list[Source], levels: tuple) -> list[Source]:
        if op.name == "scan":
            return self.scan(op, found, levels)
        operands = found[1:] if op.name == "cond" else found
        branches = [self.walk(block, operands, levels) for block in op.blocks]
        return [join(each) for each in zip(*branches, strict=True)]

    def scan(self, op: Op, found: list[Source], levels: tuple) -> list[Source]:
        n, m = jx.scan_counts(op.eqn)
        m += n
        level = (next(self.scans), op.eqn.params["length"])
        consts, carry = found[:n], found[n:m]
        if any(source.params for source in found[m:]):
            self.layered.add(level[0])
        xs = [source._replace(sliced=source.sliced | {level[0]}) for source in found[m:]]
        while True:  # until what is carried round comes from where it was said to come from
            sites, unseen = len(self.sites), len(self.unseen)
            out = self.walk(op.blocks[0], [*consts, *carry, *xs], (*levels, level))
            after = [join([a, b]) for a, b in zip(carry, out, strict=False)]
            if after == carry:
                return [*after, *out[m - n :]]
            carry = after
            del self.sites[sites:], self.loops[sites:], self.unseen[unseen:]


def join(sources: Iterable[Source]) -> Source:
    """Where a value made of these comes from."""
    either = lambda a, b: a | b  # noqa: E731
    return reduce(lambda a, b: Source(*map(either, a, b)), sources, Source())


def _data_operand(op: Op, found: list[Source]) -> int | None:
    """Which input is the data where the others are weights; None where the operation is no site."""
    if op.name in WEIGHTED:
        mine = list(enumerate(found[:2]))
        if op.name == "gather" and not found[0].only_params:
            return None
    elif op.name.startswith("custom_") and contains(op.eqn, WEIGHTED):
        mine = list(enumerate(found))  # a function with a derivative of its own
    else:
        return None
    weights = [i for i, source in mine if source.only_params]
    data = [i for i, source in mine if not source.params and (source.data or source.array)]
    return data[0] if weights and len(data) == 1 else None


def _tail(block: Block, ref: Ref, env: dict[Ref, Source]) -> tuple[tuple[Ref, ...], tuple[str, ...]]:
    """The end of the layer: past layout and scaling to the addition of a bias; without one, past transpositions."""
    users: dict[Ref, list[Op]] = {}
    for op in block.ops:
        for x in op.inputs:
            if not isinstance(x, jx.Literal):
                users.setdefault(x, []).append(op)
    chain, turned = [ref], 0
    while len(users.get(chain[-1], ())) == 1 and chain[-1] not in block.outputs:
        end, op = chain[-1], users[chain[-1]][0]
        chain.append(op.outputs[0])
        others = [x for x in op.inputs if x != end or isinstance(x, jx.Literal)]
        known = [Source() if isinstance(x, jx.Literal) else env[x] for x in others]
        if op.name in ("add", "add_any", "sub") and len(known) == 1 and known[0].only_params:
            return tuple(chain), tuple(sorted(known[0].params))
        scaled = op.name in ("mul", "div") and len(known) == 1 and known[0] == Source()
        if op.name not in LAYOUT and not scaled:
            break
        turned += op.name == "transpose" and turned == len(chain) - 2
    return tuple(chain[: 1 + turned]), ()


def _moved(axis: int, eqn: Any) -> int:
    """Where an axis of an operation's input lies in its output."""
    if eqn.primitive.name == "transpose":
        return eqn.params["permutation"].index(axis)
    if eqn.primitive.name == "broadcast_in_dim":
        return eqn.params["broadcast_dimensions"][axis]
    before, after = (v.aval.shape for v in (eqn.invars[0], eqn.outvars[0]))
    if eqn.primitive.name in ("reshape", "squeeze"):
        alike = (
            i for i, n in enumerate(after) if math.prod(after[i:]) == math.prod(before[axis:]) and n == before[axis]
        )
        return next(alike, len(after) - 1)
    return axis

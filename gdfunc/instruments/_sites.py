"""Where in a traced loss the parameters do their work: every weighted operation, named by what it consumes."""

import itertools

from ..core import jaxpr as jx
from ._activation import Activation, find_activations
from ._program import WEIGHTED, Block, Op, Ref, contains
from ._site import Level, Site, Source, join

# What may stand between a product and the addition of its bias.
LAYOUT = frozenset(
    {"reshape", "transpose", "convert_element_type", "squeeze", "broadcast_in_dim", "copy", "sharding_constraint"}
)


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

"""Cockpit's economy set (Schneider, Dangel & Hennig 2021, NeurIPS) under PyTorch, at every step, over a plain step: prints JSON.

Run by a Python that has cockpit-for-pytorch; it needs nothing else of this repository.
"""

import itertools
import json
import sys
import time
import warnings

import torch
from backpack import extend
from cockpit import Cockpit
from cockpit.utils.configuration import configuration
from cockpit.utils.schedules import linear

ROWS, SIZES = 128, (784, 1000, 500, 100, 10)  # as `_networks.mlp`


def network():
    torch.manual_seed(0)
    layers = [part for a, b in itertools.pairwise(SIZES) for part in (torch.nn.Linear(a, b), torch.nn.Tanh())]
    return torch.nn.Sequential(*layers[:-1])


def steps(x, y, watched):
    """A function that makes the next step."""
    model, loss_fn = network(), torch.nn.CrossEntropyLoss()
    if watched:
        model, loss_fn = extend(model), extend(loss_fn)
        cockpit = Cockpit(model.parameters(), quantities=configuration("economy", track_schedule=linear(1)))
    each, rule, made = torch.nn.CrossEntropyLoss(reduction="none"), torch.optim.SGD(model.parameters(), lr=0.01), 0

    def step():
        nonlocal made
        rule.zero_grad()
        out = model(x)
        loss = loss_fn(out, y)
        if watched:
            about = {"batch_size": ROWS, "individual_losses": each(out, y), "loss": loss, "optimizer": rule}
            with cockpit(made, info=about):
                loss.backward(create_graph=cockpit.create_graph(made))
        else:
            loss.backward()
        rule.step()
        made += 1

    return step


def main(rounds):
    warnings.filterwarnings("ignore")
    x, y = torch.randn(ROWS, SIZES[0]), torch.randint(0, 10, (ROWS,))
    plain, watched = steps(x, y, False), steps(x, y, True)
    seconds = {plain: [], watched: []}
    for _ in range(rounds + 1):
        for step in (plain, watched):
            for _ in range(3 if step is plain else 1):
                start = time.perf_counter()
                step()
                seconds[step].append(time.perf_counter() - start)
    # Both have warmed up in the first round. A round's plain steps are a few ms: their median is over all rounds.
    base = sorted(seconds[plain][3:])[len(seconds[plain][3:]) // 2]
    print(json.dumps([each / base for each in seconds[watched][1:]]))


if __name__ == "__main__":
    main(int(sys.argv[1]))

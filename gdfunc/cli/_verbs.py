"""One function a verb. What each needs is imported inside it, so that `gdfunc --help` starts without JAX."""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from tyro.conf import Positional, arg

Words: TypeAlias = Annotated[tuple[str, ...], arg(metavar="NAME [KEY=VALUE ...]")]


def rules(
    name: Positional[str] = "",
    /,
    explain: bool = False,
    gradients: tuple[float, ...] = (1.0, -2.0, 3.0),
    hyper: Annotated[tuple[str, ...], arg(metavar="KEY=VALUE ...")] = (),
    json: bool = False,
) -> int:
    """The catalogue of update rules; with a name, one rule's formula, arguments, twins and known differences.

    Args:
        name: a rule's lower-case name.
        explain: work the formula out in numbers, step by step, beside its Optax twin.
        gradients: the gradients of one parameter, a step each, for --explain.
        hyper: hyperparameters for --explain: learning_rate=0.01 b1=0.8.
        json: print JSON.
    """
    from ._rules import show_rules

    return show_rules(name, explain, gradients, hyper, json)


def parity(
    names: Positional[tuple[str, ...]] = (),
    /,
    all: bool = False,
    quick: bool = False,
    jobs: int = 0,
    out: Path | None = None,
    deviations: bool = False,
    json: bool = False,
) -> int:
    """Holds rules against their papers, Optax and PyTorch at every setting of their records; 1 on an unknown difference.

    Args:
        names: rules by name, and other parts with their folder (losses.huber, schedules.cosine, or losses for all of
            them); every rule if none is given.
        all: every rule, schedule, loss, initialiser and clipping; writes the table too.
        quick: compiled runs only.
        jobs: processes; 0 is one for each core.
        out: a folder for parity.json and parity.md; with --all it is parity/ if not given.
        deviations: print the page of all known differences, docs/deviations.md, and compare nothing.
        json: print JSON.
    """
    from ._parity import show_deviations, show_parity

    if deviations:
        return show_deviations(names or all or quick or jobs or out or json)
    return show_parity(names, all, quick, jobs, out, json)


def compare(
    words: Annotated[Positional[tuple[str, ...]], arg(metavar="NAME [KEY=VALUE ...] NAME [KEY=VALUE ...]")],
    /,
    precision: Literal["float32", "float32 (x64)", "float64"] | None = None,
    steps: int = 40,
    seed: int = 0,
    tolerance: float = 8.0,
    quick: bool = False,
    json: bool = False,
) -> int:
    """Gives two rules the same gradients and says where they part first, and why; 1 where they do.

    gdfunc compare adam learning_rate=1e-3 eps=1e-4 optax.adam learning_rate=1e-3 eps=0.0 eps_root=1e-4

    Args:
        words: two names, each before its settings: a rule (adam), a function that makes one (optax.adam, my_module.rule),
            or a recording of another framework (run.npz, see gdfunc.parity.Recording).
        precision: a recording's, and else float32, if not given.
        steps: the length of the built-in stream of gradients.
        seed: another seed, another stream.
        tolerance: up to how many rounding errors two rules agree.
        quick: where they part, without looking for the cause.
        json: print JSON.
    """
    from ._compare import show_comparison

    return show_comparison(words, precision, steps, seed, tolerance, quick, json)


def train(
    data: Words = ("digits",),
    model: Words = ("mlp",),
    init: Words = (),
    rule: Words = ("adam", "learning_rate=1e-3"),
    schedule: Words = (),
    clip: Words = (),
    loss: Words = (),
    steps: int = 1000,
    batch_size: int = 64,
    accumulate: int = 1,
    target: float | None = None,
    instruments: Words = (),
    every: int = 10,
    seed: int = 0,
    out: Path | None = None,
    overwrite: bool = False,
    json: bool = False,
) -> int:
    """Trains a model on a data set by any rule, and keeps its history and a picture; 1 where the run ends non-finite.

    Options that take a name also take its settings: --rule adam learning_rate=1e-3 b1=0.8.

    Args:
        data: digits, mnist1d, spirals, two_moons, linear_regression or adding_problem, with their options.
        model: mlp (width=64 depth=3 activation=relu norm=batch), deep_linear, residual (blocks=3 layers=2 fixup=true),
            conv_net for images (width=16), rnn, lstm or gru (width=64).
        init: how weights are drawn: he_normal, xavier_uniform, orthogonal gain=1.1, ...; the model's own if not given.
        rule: an update rule; `gdfunc rules` lists them.
        schedule: the learning rate as a schedule, in place of a fixed one: cosine peak=1e-3 steps=1000.
        clip: clipping before the rule: clip_by_global_norm max_norm=1.0.
        loss: the loss; softmax_cross_entropy for classes, squared_error for numbers if not given.
        steps: the number of updates.
        batch_size: rows a mini-batch; 1 is stochastic, 0 is the full batch.
        accumulate: mini-batches whose gradients are averaged for one update.
        target: stop where the loss is at most this.
        instruments: what is read of every layer, for `gdfunc report OUT`: economy, standard, full, or
            instruments by name, with how many records pass between readings: standard sharpness=20.
        every: steps from one record of the instruments to the next.
        seed: of the parameters and of the order of the data.
        out: the run's folder; runs/DATA-MODEL-RULE if not given.
        overwrite: replace the files of an earlier run there.
        json: print JSON.
    """
    from ._train import run_training

    return run_training(
        data,
        model,
        init,
        rule,
        schedule,
        clip,
        loss,
        steps,
        batch_size,
        accumulate,
        target,
        instruments,
        every,
        seed,
        out,
        overwrite,
        json,
    )


def port(
    text: Positional[str],
    /,
    to: Literal["optax", "torch", "keras", "gdfunc"] = "optax",
    json: bool = False,
) -> int:
    """Says a line of PyTorch, Optax, Keras or gdfunc in another's words; 1 where there is no equivalent, with the reason.

    The line is read, not run. Several lines may be one text: an optimizer, its scheduler and clipping.

    Args:
        text: "torch.optim.RMSprop(params, lr=1e-3, momentum=0.9)", "optax.adam(optax.cosine_decay_schedule(1e-3, 1000))".
        to: the other library.
        json: print JSON.
    """
    from ._port import show_port

    return show_port(text, to, json)


def diagnose(
    target: Annotated[Positional[str], arg(metavar="MODULE:FUNCTION")] = "",
    /,
    data: Words = (),
    model: Words = (),
    init: Words = (),
    loss: Words = (),
    rule: Words = (),
    batch_size: int = 256,
    steps: int = 20,
    seed: int = 0,
    fail_on: str = "",
    json: bool = False,
) -> int:
    """Says which layer of a network is at fault, on what evidence, and what mends it; 1 where --fail-on names the fault.

    gdfunc diagnose my_module:make, where make() returns (loss_fn, params, batch) and loss_fn(params, batch) is any
    JAX loss; or one of our models by the options of `gdfunc train`: --model mlp depth=30 activation=sigmoid.

    Args:
        target: a function of yours; one of our models if not given.
        data: the data set of one of our models; digits if not given.
        model: mlp (if not given) or another of `gdfunc train`, with its options.
        init: how weights are drawn.
        loss: the loss.
        rule: an update rule, whose first updates are judged too.
        batch_size: rows of the batch that is looked at; 0 is all.
        steps: updates made to judge the rule.
        seed: of the parameters.
        fail_on: kinds of findings, between which stands a comma, for which to exit with 1; any for all.
        json: print JSON.
    """
    from ._diagnose import show_diagnosis

    return show_diagnosis(target, data, model, init, loss, rule, batch_size, steps, seed, fail_on, json)


def report(
    run: Positional[Path],
    /,
    against: Path | None = None,
    out: Path | None = None,
) -> int:
    """Writes a run as one page of HTML that opens without a network: its findings, depth against step, curves, layers.

    Args:
        run: the run's folder, complete or still being written.
        against: another run's folder; the page then shows what changed from it.
        out: the page's file; report.html in the run's folder if not given.
    """
    from ._report import write_report

    return write_report(run, against, out)


def watch(
    run: Positional[Path],
    /,
    every: float = 1.0,
    once: bool = False,
) -> int:
    """Shows a run in the terminal while it goes on: findings, loss, and every layer's latest numbers. Ctrl-C ends it.

    Args:
        run: the run's folder.
        every: seconds between two looks.
        once: show it as it stands, and end.
    """
    from ._report import watch_run

    return watch_run(run, every, once)


VERBS = {
    "port": port,
    "rules": rules,
    "parity": parity,
    "compare": compare,
    "train": train,
    "diagnose": diagnose,
    "report": report,
    "watch": watch,
}

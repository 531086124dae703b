"""Every wrong rule: each convention toggled, each number moved, each sign and constant of each formula, and chosen lines."""

from _break import signs_and_constants, with_another_number, with_convention, with_line, with_step
from _judge import RECORDS
from _lines import LINES


def _of(name, record):
    made = {}
    for field, kind in record.make._fields.items():
        if kind.static:
            for value in kind.choices or ():
                made[f"{field}={value}"] = with_convention(record, field, value)
        elif kind.range is not None:
            made[field] = with_another_number(record, field)
    for where, source in signs_and_constants(record).items():
        made[where] = with_step(record, source)
    for old, new in LINES.get(name, ()):
        made[f"{old} -> {new}"] = with_line(record, old, new)
    return made


MUTANTS = {name: _of(name, record) for name, record in RECORDS.items()}

# The twenty wrong rules of which the test suite of Optax 0.2.8 notices ten.
STUDY = {
    "adam: no bias correction of m": ("adam", "m_correction = debias(self.b1, t, self.debias) -> m_correction = 1.0"),
    "adam: no bias correction of v": ("adam", "v_correction = debias(self.b2, t, self.debias) -> v_correction = 1.0"),
    "adam: bias correction a step early": (
        "adam",
        "debias(self.b1, t, self.debias) -> debias(self.b1, t + 1, self.debias)",
    ),
    "adam: v with b1": ("adam", "ema(memory.v, g**2, self.b2) -> ema(memory.v, g**2, self.b1)"),
    "adam: no eps": ("adam", "self.eps, self.eps_at -> 0.0, self.eps_at"),
    "adam: eps inside the root": ("adam", "eps_at=inside"),
    "rmsprop: decay for 1 - decay": (
        "rmsprop",
        "ema(memory.v, g**2, self.decay) -> ema(memory.v, g**2, 1 - self.decay)",
    ),
    "optimistic: the other sign": (
        "optimistic_gradient_descent",
        "g + self.optimism * change -> g - self.optimism * change",
    ),
    "lion: the average with b1": ("lion", "ema(memory.m, g, self.b2) -> c"),
    "adagrad: half of each square": ("adagrad", "memory.s + g**2 -> memory.s + g**2 / 2"),
    "adadelta: squares of gradients for those of updates": ("adadelta", "delta**2, self.rho -> g**2, self.rho"),
    "novograd: no momentum": ("novograd", "self.b1 * memory.m + d -> d"),
    "lamb: no trust ratio": ("lamb", "ratio = trust_ratio(safe_norm(p), safe_norm(d)) -> ratio = 1.0"),
    "nadam: no look ahead": (
        "nadam",
        "mu_next * (m / m_correction) + (1 - mu) * (g / g_correction) -> m / g_correction",
    ),
    "amsgrad: no maximum": ("amsgrad", "jnp.maximum(memory.v_max, v / v_correction -> jnp.maximum(v, v / v_correction"),
    "adamax: no bias correction": ("adamax", "m_hat / w -> m / w"),
    "adabelief: the gradient for its surprise": ("adabelief", "(g - m) ** 2 -> g**2"),
    "yogi: Adam's v": (
        "yogi",
        "memory.v - (1 - self.b2) * jnp.sign(memory.v - g**2) * g**2 -> ema(memory.v, g**2, self.b2)",
    ),
    "radam: r is 1": ("radam", "r * m_hat -> m_hat"),
    "sm3: the largest for the least": ("sm3", "jnp.minimum(least, part) -> jnp.maximum(least, part)"),
}

"""What a teacher writes on the board: a rule's formula, and every named quantity of it in numbers."""

from collections.abc import Iterable
from typing import Any

from ..core import Rule, need
from ..parity import Trace, trace
from ..rules import record_of
from ._tables import rows_of, table, text

_PAGE = """<div>
<p><b>{{ title }}</b></p>
{% if formula %}<p>$${{ formula }}$$</p>{% endif %}
<table><thead><tr>{% for column in columns %}<th>{{ column }}</th>{% endfor %}</tr></thead><tbody>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table>
{% if note %}<p>{{ note }}</p>{% endif %}
</div>"""


class Explanation:
    """A table of a rule's named quantities, step by step: print it, or end a notebook's cell with it.

    Attributes:
        trace: the numbers themselves.
    """

    def __init__(self, trace: Trace):
        self.trace = trace

    def parts(self) -> list[Any]:
        """The rich renderables."""
        cells = self._cells()
        return [table(cells["title"], cells["columns"], cells["rows"], cells["note"])]

    def _cells(self) -> dict[str, Any]:
        known = record_of(self.trace.rule)
        return {
            "title": repr(self.trace.rule),
            "formula": known.formula if known else "",
            "columns": ["quantity", *(f"step {step.t}" for step in self.trace.steps)],
            "rows": rows_of(self.trace),
            "note": f"No Optax twin beside it: {self.trace.why_no_twin}" if self.trace.why_no_twin else "",
        }

    def __str__(self) -> str:
        return text(*self.parts())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return need("jinja2").Environment(autoescape=True).from_string(_PAGE).render(**self._cells())


def explain(rule: Rule, gradients: Iterable[Any], params: Any = None) -> Explanation:
    """Every named quantity of a rule's formula, step by step in numbers, with the Optax twin's beside it.

    `explain(Adam(0.1), [1.0, -2.0, 3.0])` shows m, v, the bias corrections, m_hat, v_hat and the update of one parameter
    given these gradients. The names are those in the formula's own code.

    Args:
        rule: a rule, not a combination of several.
        gradients: one number or small array a step, all of one shape.
        params: the parameter, shaped as a gradient; zeros if not given. It moves by the updates.

    Returns:
        An `Explanation`: text when printed, an HTML table in a notebook.

    Raises:
        ValueError: where the rule is a combination, there is no gradient, or shapes differ.
    """
    return Explanation(trace(rule, gradients, params))

"""Every rule is what its paper says, and as the other libraries have it, but for the differences that its record names."""

import dataclasses
import json

import numpy as np
import pytest

import gdfunc as gd
from gdfunc import parity, rules
from gdfunc.core import Deviation
from gdfunc.parity._recorded import key, recorded
from gdfunc.parity._twins import fields

RECORDS = rules.records()
VERDICTS = {"agrees", "expected", "mended", "mismatch"}

every_record = pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)


@pytest.fixture
def certify_as(monkeypatch):
    """Certifies a record that is not in the catalogue."""

    def certify(record):
        monkeypatch.setattr("gdfunc.parity._certify.find_record", lambda name: record)
        return parity.certify(record.name, quick=True)

    return certify


def applies(deviation, record):
    """Whether a setting of the record meets it; the paper meets every setting."""
    twins = {twin.name: twin for twin in record.twins}
    for settings in record.settings:
        ours = fields(record.make(**settings))
        arguments = twins[deviation.twin].arguments(**ours) if deviation.twin in twins else {}
        if not isinstance(arguments, str) and all(ours[k] == v for k, v in deviation.settings.items()):
            return True
    return False


@every_record
def test_a_rule_is_certified_and_each_deviation_of_its_record_is_seen(record):
    certificate = parity.certify(record.name, quick=True)
    assert certificate.passes, [row for row in certificate.rows if not row.passes]
    assert {row.mode for row in certificate.rows} == {mode.name for mode in parity.MODES}
    assert ({"L0", "L2"} if record.twins else {"L0"}) <= {row.layer for row in certificate.rows}
    assert {row.witness for row in certificate.rows} == {"paper", *(twin.name for twin in record.twins)}
    seen = {(row.witness, row.deviation) for row in certificate.rows if row.verdict == "expected"}
    assert seen == {
        (deviation.twin, deviation.what)
        for deviation in record.deviations
        if deviation.sizes and applies(deviation, record)
    }
    assert json.loads(json.dumps(certificate.as_dict()))["passes"] is True
    assert str(certificate).startswith(f"{record.name}: ")


def test_eager_runs_are_certified_too():
    certificate = parity.certify("signum")
    assert certificate.passes
    assert {row.run for row in certificate.rows} == {"jit", "eager"}


def test_one_step_from_the_witness_state_is_compared_wherever_its_state_can_be_read():
    layers = {row.layer for row in parity.certify("signum", quick=True).rows}
    assert layers == {"L0", "L1", "L2"}


@gd.rule
class TwiceTheSign(rules.SignSGD):
    def step(self, g, memory, p, t):
        u, memory = super().step(g, memory, p, t)
        return 2 * u, memory


SIGN = RECORDS["signsgd"]
WITNESS = SIGN.twin("optax").name


def known_difference(least, most, **settings):
    sizes = {mode.name: (least, most) for mode in parity.MODES}
    return Deviation(twin=WITNESS, since="never", what="twice as far", settings=settings, sizes=sizes)


def verdicts(certificate, witness):
    return {row.verdict for row in certificate.rows if row.witness == witness}


def test_a_rule_as_published_agrees(certify_as):
    assert verdicts(certify_as(SIGN), WITNESS) == {"agrees"}


def test_a_wrong_rule_is_a_mismatch_and_says_where(certify_as):
    certificate = certify_as(dataclasses.replace(SIGN, make=TwiceTheSign))
    assert not certificate.passes
    assert verdicts(certificate, WITNESS) == verdicts(certificate, "paper") == {"mismatch"}
    assert all(row.where.startswith("step 1, ") for row in certificate.rows)
    assert all(row.error > 1e6 for row in certificate.rows)


def test_a_difference_of_the_size_that_the_record_names_is_expected(certify_as):
    wrong = dataclasses.replace(SIGN, make=TwiceTheSign, transcription=None, deviations=(known_difference(1e6, 1e17),))
    certificate = certify_as(wrong)
    assert certificate.passes
    assert verdicts(certificate, WITNESS) == {"expected"}
    assert {row.deviation for row in certificate.rows} == {"twice as far"}


def test_a_larger_difference_than_the_record_names_is_a_mismatch(certify_as):
    wrong = dataclasses.replace(SIGN, make=TwiceTheSign, transcription=None, deviations=(known_difference(10, 100),))
    assert verdicts(certify_as(wrong), WITNESS) == {"mismatch"}


def test_a_difference_that_has_gone_is_mended_and_does_not_pass(certify_as):
    certificate = certify_as(dataclasses.replace(SIGN, deviations=(known_difference(1e6, 1e17),)))
    assert not certificate.passes
    assert verdicts(certificate, WITNESS) == {"mended"}
    assert verdicts(certificate, "paper") == {"agrees"}


def test_a_deviation_excuses_only_its_own_settings(certify_as):
    deviation = known_difference(1e6, 1e17, learning_rate=0.3)
    certificate = certify_as(dataclasses.replace(SIGN, make=TwiceTheSign, transcription=None, deviations=(deviation,)))
    by_rate = {row.settings["learning_rate"]: row.verdict for row in certificate.rows}
    assert by_rate == {0.01: "mismatch", 0.3: "expected"}


def test_a_certificate_without_rows_does_not_pass(certify_as):
    assert not certify_as(dataclasses.replace(SIGN, twins=(), transcription=None)).passes


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"adamm.*Did you mean 'adam'"):
        parity.certify("adamm")


@every_record
def test_pytorch_was_recorded_wherever_it_has_an_equivalent(record):
    stream = parity.stream()
    for twin in (twin for twin in record.twins if twin.library == "torch"):
        for settings in record.settings:
            arguments = twin.arguments(**fields(record.make(**settings)))
            for dtype in ("float32", "float64"):
                found = recorded(key("rules", record.name, twin.name, settings, dtype))
                if isinstance(arguments, str):
                    assert found is None
                    assert len(arguments) > 20
                    continue
                assert {leaf: x.shape for leaf, x in found.items()} == {
                    leaf: g.shape
                    for leaf, g in stream.gradients.items()
                    if twin.takes is None or twin.takes(g.shape[1:])
                }
                assert {x.dtype for x in found.values()} == {np.dtype(dtype)}
                assert all(np.all(np.isfinite(x)) and np.any(x) for x in found.values())

"""A run's page and its dashboard: what they say is what the folder holds, whatever state it is in."""

import base64
import json
import re
import struct
import zlib

import numpy as np
import pytest
from _run_folders import EDGES, layer_names, make_run, vanishing

from gdfunc.diagnosis import KINDS
from gdfunc.report import run_report, watch
from gdfunc.report._dashboard import dashboard, sparkline
from gdfunc.report._run_change import aligned, changes
from gdfunc.report._run_data import bin_names
from gdfunc.report._run_findings import story
from gdfunc.report._run_folder import RunReader, read_run
from gdfunc.report._run_pack import packed
from gdfunc.report._tables import text


def data_of(page):
    """What the page's script reads."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def unpacked(made):
    """The numbers, None where there is none: written from the format's description, one number at a time."""
    raw = zlib.decompress(base64.b64decode(made["codes"]))
    half = len(raw) // 2
    specials = {0: None, 1: float("nan"), 2: float("inf"), 3: float("-inf"), 4: 0.0}
    found = []
    for low, high in zip(raw[:half], raw[half:], strict=True):
        (code,) = struct.unpack("<H", bytes([low, high]))
        size = code % 2**15
        x = specials[size] if size in specials else float(np.exp(made["lo"] + made["level"] * (size - 5)))
        found.append(-x if code >= 2**15 and x is not None else x)
    return np.array(found, object).reshape(made["shape"])


def visible(page):
    """The words of a page: without style, script and tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(style|script)\b.*?</\1>", "", page)))


@pytest.mark.parametrize("decades", [1.0, 10.0, 60.0])
def test_packed_numbers_keep_three_digits_and_every_special_one(decades):
    rng = np.random.default_rng(0)
    x = rng.choice([-1.0, 1.0], (50, 7)) * 10.0 ** rng.uniform(-decades, 0, (50, 7))
    x.flat[:4] = [np.nan, np.inf, -np.inf, 0.0]
    mask = np.zeros(x.shape, bool)
    mask[1, 2] = True
    read = unpacked(packed(np.ma.array(x, mask=mask)))
    assert read[1, 2] is None
    assert np.isnan(read[0, 0])
    assert read.flat[1:4].tolist() == [np.inf, -np.inf, 0.0]
    finite = np.isfinite(x) & (x != 0) & ~mask
    # Half a level: levels are 2e-3 apart, or the range in 2**15 of them.
    bound = max(2e-3, decades * np.log(10) / (2**15 - 6)) / 2
    np.testing.assert_allclose(read[finite].astype(float), x[finite], rtol=1.01 * bound)


def test_what_is_never_finite_or_never_there_is_packed_too():
    for x in (np.ma.masked_all((3, 2)), np.ma.array(np.full((3, 2), np.nan)), np.ma.array(np.zeros((0, 2)))):
        read = unpacked(packed(x))
        assert read.shape == x.shape
        assert all(v is None if m else np.isnan(v) for v, m in zip(read.flat, np.ma.getmaskarray(x).flat, strict=True))


def test_the_page_holds_the_runs_numbers(tmp_path):
    written = make_run(tmp_path / "run", layers=6, steps=30)
    data = data_of(run_report(tmp_path / "run"))
    assert data["steps"] == list(range(1, 31))
    assert [layer["name"] for layer in data["layers"]] == layer_names(6)
    for name, values in written.items():
        read = unpacked(data["matrices"][name])
        measured = ~np.isnan(values)
        assert [x is not None for x in read.flat] == measured.ravel().tolist()
        np.testing.assert_allclose(read[measured].astype(float), values[measured], rtol=1.1e-3)
    np.testing.assert_allclose(data["series"]["loss"], 2.3 * np.exp(-np.arange(30) / 30), rtol=1e-4)
    assert data["series"]["noise_scale"] == [30.0 + t for t in range(30)]


def test_a_vanishing_run_is_told_in_words_before_any_picture(tmp_path):
    make_run(tmp_path / "run")
    page = run_report(tmp_path / "run")
    words = visible(page)
    for said in (
        "1 finding", "The gradient vanishes at hidden/weight[0]", "0.35 of itself", "the alarm is at -0.25",
        "Glorot &amp; Bengio 2010", "-0.45 → -0.02", "✓ helps", "-0.45 → -0.6", "does not help", "not tried",
    ):  # fmt: skip
        assert said in words, said
    assert page.index("The gradient vanishes") < page.index("<canvas")
    assert data_of(page)["findings"] == [{"kind": "vanishing", "layer": 0, "step": 0}]


def test_a_healthy_run_is_said_to_be_healthy_and_one_not_looked_at_is_not(tmp_path):
    make_run(tmp_path / "healthy", decades=-0.01, layers=3, steps=5)
    assert "Nothing that was measured crossed a threshold" in visible(run_report(tmp_path / "healthy"))
    (tmp_path / "healthy" / "findings.json").unlink()
    words = visible(run_report(tmp_path / "healthy"))
    assert "No findings written" in words
    assert "threshold" not in words


def test_a_page_asks_for_nothing_from_outside_and_forbids_it(tmp_path):
    make_run(tmp_path / "run", layers=3, steps=5)
    page = run_report(tmp_path / "run")
    assert "default-src 'none'" in page
    assert not re.findall(r"(?:src|href|action)\s*=|url\(|@import|https?://", page)


def test_names_cannot_break_out_of_the_page(tmp_path):
    make_run(tmp_path / "run", layers=2, steps=3, rule="</script><script>alert(1)</script>")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    config["layers"][0]["name"] = "</script><img src=x>"
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    page = run_report(tmp_path / "run")
    assert "<img" not in page
    assert page.count("<script") == 2
    assert data_of(page)["layers"][0]["name"] == "</script><img src=x>"


def test_100_layers_1000_steps_and_8_instruments_make_a_page_under_2_megabytes(tmp_path):
    make_run(tmp_path / "run", layers=100, steps=1000, decades=-0.05, extra=4)
    page = run_report(tmp_path / "run")
    data = data_of(page)
    assert len(data["matrices"]) == 8
    assert len(data["steps"]) == 1000
    assert len(page.encode()) < 2e6


def test_of_a_long_run_the_page_shows_spread_out_steps_the_findings_and_where_it_broke(tmp_path, monkeypatch):
    monkeypatch.setattr("gdfunc.report._run_data._MOST_STEPS", 10)
    make_run(tmp_path / "run", layers=3, steps=200, bad_from=77)
    found = vanishing("hidden/weight[0]", -0.45, 3) | {"step": 124}
    (tmp_path / "run" / "findings.json").write_text(json.dumps({"findings": [found]}))
    page = run_report(tmp_path / "run")
    steps = data_of(page)["steps"]
    assert {1, 78, 124, 200} <= set(steps)
    assert max(np.diff(steps)) <= 23
    assert f"{len(steps)} of 200 recorded steps are shown" in visible(page)


@pytest.mark.parametrize("kept", range(0, 101, 10))
def test_a_run_cut_off_anywhere_is_read_to_its_last_whole_step(tmp_path, kept):
    make_run(tmp_path / "run", layers=3, steps=6)
    metrics = tmp_path / "run" / "metrics.jsonl"
    whole = metrics.read_bytes()
    size = len(whole) * kept // 100
    metrics.write_bytes(whole[:size])
    lines = whole[:size].split(b"\n")
    expected = len(lines) - 1
    page = run_report(tmp_path / "run")
    assert data_of(page)["steps"] == list(range(1, expected + 1))
    assert "could not be read" not in page


def test_a_run_that_has_only_its_settings_yet_has_a_page(tmp_path):
    make_run(tmp_path / "run", layers=3, steps=2)
    for name in ("env.json", "metrics.jsonl", "findings.json"):
        (tmp_path / "run" / name).unlink()
    words = visible(run_report(tmp_path / "run"))
    assert "no step recorded yet" in words
    assert "hidden/weight[0]" in words
    assert "no step recorded yet" in text(*dashboard(read_run(tmp_path / "run")))


def test_damaged_lines_are_left_out_and_counted(tmp_path):
    make_run(tmp_path / "run", layers=3, steps=4)
    metrics = tmp_path / "run" / "metrics.jsonl"
    lines = metrics.read_bytes().splitlines()
    lines[1] = lines[1][:40]
    lines[2] = b'{"loss": 1.0}'
    metrics.write_bytes(b"\n".join(lines) + b"\n")
    page = run_report(tmp_path / "run")
    assert data_of(page)["steps"] == [1, 4]
    assert "2 lines of the metrics could not be read" in visible(page)


def test_measurements_of_the_wrong_form_count_as_not_measured(tmp_path):
    make_run(tmp_path / "run", layers=3, steps=2)
    metrics = tmp_path / "run" / "metrics.jsonl"
    first, second = map(json.loads, metrics.read_text().splitlines())
    second |= {"gradient_norm": [1.0], "cotangent_rms": ["a", 2.0, None], "noise_scale": "x", "gradient_histogram": {}}
    metrics.write_text(json.dumps(first) + "\n" + json.dumps(second) + "\n")
    run = read_run(tmp_path / "run")
    assert run.matrix("gradient_norm").mask[1].all()
    assert run.matrix("cotangent_rms")[1].tolist() == [None, 2.0, None]
    assert run.series("noise_scale").tolist() == [30.0, None]
    assert data_of(run_report(tmp_path / "run"))["histograms"][0]["steps"] == [1]


def test_numbers_that_are_not_finite_stay_so(tmp_path):
    make_run(tmp_path / "run", layers=3, steps=6, bad_from=4, decades=-0.01)
    page = run_report(tmp_path / "run")
    data = data_of(page)
    assert data["series"]["loss"][4:] == ["NaN", "NaN"]
    read = unpacked(data["matrices"]["gradient_norm"])
    assert np.isnan(read[4, 0])
    assert read[4, 1] == np.inf
    assert np.isfinite(read[4, 2])
    assert "→ NaN" in visible(page)


def test_a_resumed_runs_later_numbers_replace_the_earlier_ones(tmp_path):
    make_run(tmp_path / "run", layers=2, steps=3)
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 2, "loss": 7.0}) + "\n" + json.dumps({"step": 0, "loss": 9.0}) + "\n")
    run = read_run(tmp_path / "run")
    assert run.steps.tolist() == [0, 1, 2, 3]
    assert run.series("loss")[[0, 2]].tolist() == [9.0, 7.0]


def test_a_growing_file_is_read_on_and_a_new_one_from_its_beginning(tmp_path):
    make_run(tmp_path / "run", layers=2, steps=4)
    metrics = tmp_path / "run" / "metrics.jsonl"
    lines = metrics.read_bytes().splitlines(keepends=True)
    metrics.write_bytes(lines[0] + lines[1][:-9])
    reader = RunReader(tmp_path / "run")
    assert reader.read().steps.tolist() == [1]
    metrics.write_bytes(b"".join(lines[:3])[:-1])  # whole but for its line's end
    assert reader.read().steps.tolist() == [1, 2, 3]
    metrics.write_bytes(b"".join(lines))
    seen = reader.read()
    assert seen.steps.tolist() == [1, 2, 3, 4]
    assert seen.unreadable == 0
    metrics.write_bytes(lines[0])
    assert reader.read().steps.tolist() == [1]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (None, "with a config.json in it"),
        ("{", "none that can be read"),
        ("[1]", "none that can be read"),
        ('{"format": "gdfunc run", "version": 2}', "of version 2"),
        ('{"format": "gdfunc history", "version": 1}', "'gdfunc history'"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path, config, words):
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    for look in (run_report, lambda run: watch(run, once=True), lambda run: run_report(tmp_path / "good", against=run)):
        if not (tmp_path / "good").exists():
            make_run(tmp_path / "good", layers=2, steps=2)
        with pytest.raises(ValueError, match=re.escape(words)):
            look(tmp_path)


def test_two_runs_differ_in_what_their_files_say(tmp_path):
    make_run(tmp_path / "a", layers=5, steps=4, data={"name": "digits", "rows": 5})
    make_run(tmp_path / "b", layers=4, steps=4, decades=-0.01, rule="SGD(learning_rate=0.1)", data={"name": "digits"})
    lines = changes(read_run(tmp_path / "a"), read_run(tmp_path / "b"))
    assert [tuple(line) for line in lines] == [
        ("rule", "Adam(learning_rate=0.001)", "SGD(learning_rate=0.1)"),
        ("data.rows", "5", ""),
        ("presence of hidden/weight[3]", "present", ""),
        ("kind of hidden/weight[3]", "dot_general", ""),
        ("activation of hidden/weight[3]", "sigmoid", ""),
        ("weights of hidden/weight[3]", "['hidden/weight[3]']", ""),
        ("parameters of hidden/weight[3]", "100", ""),
        ("output shape of hidden/weight[3]", "128 x 10", ""),
        ("finding: vanishing of hidden/weight[0]", "found", ""),
    ]


def test_another_runs_numbers_are_taken_at_the_nearest_step_and_the_layer_of_that_name(tmp_path):
    ours = make_run(tmp_path / "a", layers=4, steps=12)
    theirs = make_run(tmp_path / "b", layers=3, steps=6, seed=1)
    config = json.loads((tmp_path / "b" / "config.json").read_text())
    config["layers"][:2] = config["layers"][1::-1]
    (tmp_path / "b" / "config.json").write_text(json.dumps(config))
    metrics = tmp_path / "b" / "metrics.jsonl"
    spread = [json.loads(line) | {"step": 2 * i + 1} for i, line in enumerate(metrics.read_text().splitlines())]
    metrics.write_text("\n".join(map(json.dumps, spread[:4])))  # steps 1, 3, 5, 7
    found = aligned(read_run(tmp_path / "a"), read_run(tmp_path / "b"), "gradient_norm", np.arange(12))
    assert ours["gradient_norm"].shape == found.shape
    assert found.mask[:, 2].all()  # hidden/weight[2] is not in the other run
    assert found.mask[9:].all()  # the other run's last step is 7, and its steps are 2 apart
    np.testing.assert_array_equal(found[[0, 2, 4, 6]][:, [1, 0, 3]], theirs["gradient_norm"][:4])
    assert not found.mask[:9, [0, 1, 3]].any()


def test_a_page_against_another_run_holds_both_and_names_the_change(tmp_path):
    make_run(tmp_path / "a", layers=4, steps=8)
    theirs = make_run(tmp_path / "b", layers=4, steps=8, decades=-0.01, rule="SGD(learning_rate=0.1)")
    page = run_report(tmp_path / "a", against=tmp_path / "b")
    other = data_of(page)["other"]
    read = unpacked(other["matrices"]["cotangent_rms"]).astype(float)
    np.testing.assert_allclose(read, theirs["cotangent_rms"], rtol=1.1e-3)
    assert other["series"]["loss"]
    assert "SGD(learning_rate=0.1)" in visible(page)


def test_histograms_are_shares_of_a_layers_count(tmp_path):
    make_run(tmp_path / "run", layers=3, steps=21, decades=-0.01)
    (made,) = data_of(run_report(tmp_path / "run"))["histograms"]
    shares = np.frombuffer(zlib.decompress(base64.b64decode(made["shares"]["codes"])), np.uint8) / 255
    shares = (shares**2).reshape(made["shares"]["shape"])
    assert made["steps"] == [1, 11, 21]
    record = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[10])
    counts = np.array(record["gradient_histogram"]["counts"], float)
    first = next(i for i in range(len(EDGES)) if made["bins"][0] == bin_names(EDGES, len(EDGES) - 1)[i][1])
    expected = (counts / counts.sum(axis=1, keepdims=True))[:, first : first + len(made["bins"])]
    # A byte holds sqrt(share) to 1 / 510, so a share to twice its root of that.
    np.testing.assert_allclose(shares[1], expected, atol=2 / 510 + 1e-5)


def test_bins_are_named_by_the_edges_that_are_given():
    assert bin_names([-2, 0, 3], 2) == [("2⁻²", "2⁻² to 2⁰"), ("2⁰", "2⁰ to 2³")]
    assert bin_names([-2, 0], 2) == [("2⁻²", "2⁻² to 2⁰"), ("2⁰", "from 2⁰")]
    assert bin_names([-2], 2) == [("", "below 2⁻²"), ("2⁻²", "from 2⁻²")]
    assert bin_names(None, 2) == [("0", "bin 0"), ("1", "bin 1")]
    exponents = bin_names(None, 256)  # column e of `exponent_histogram`: [2**(e - 127), 2**(e - 126))
    assert [name for _, name in exponents][::255] == ["zero", "not finite"]
    assert exponents[127] == ("2⁰", "2⁰ to 2¹")


def test_a_finding_of_an_unknown_kind_or_with_gaps_is_shown_as_far_as_it_goes():
    bare = story({"kind": "odd_thing"}, ["a"])
    assert (bare.title, bare.where, bare.value, bare.remedies) == ("Odd thing", "", "", [])
    assert story({}, []).title == "Finding"
    numbered = story({"kind": "dead_units", "layer": 1, "step": 3, "evidence": {"value": "Infinity"}}, ["a", "b"])
    assert (numbered.layer, numbered.index, numbered.value, numbered.at) == ("b", 1, "inf", None)
    assert numbered.where == "at b, seen at step 3"


def test_findings_of_one_kind_stand_together(tmp_path):
    make_run(tmp_path / "run", layers=4, steps=3)
    dead = [
        {"kind": "dead_units", "layer": name, "step": 1, "evidence": {"value": 0.75, "statement": f"three in {name}"}}
        for name in layer_names(4)[:3]
    ]
    (tmp_path / "run" / "findings.json").write_text(
        json.dumps({"findings": [vanishing("out/weight", -0.45, 4), *dead]})
    )
    page = run_report(tmp_path / "run")
    words = visible(page)
    assert "2 findings" in words
    assert words.count("Units are dead") == 1
    assert "and 2 more" in words
    assert [int(i) for i in re.findall(r'data-finding="(\d)"', page)] == [0, 1, 2, 3]
    assert all(f"three in {name}".capitalize() in words for name in layer_names(4)[:3])


def test_every_kind_of_a_diagnosis_has_plain_words():
    for kind in KINDS:
        made = story({"kind": kind}, [])
        assert made.means
        assert made.title != kind.replace("_", " ").capitalize()


def test_a_findings_axis_has_its_numbers_in_their_order():
    made = story(vanishing("a", -0.64, 10), ["a"])
    helps, worse, untried = made.remedies
    assert 0 <= made.at < made.threshold_at < helps.at <= 100
    assert made.at < worse.at  # -0.6 lies between -0.64 and the threshold
    assert untried.at is None
    wide = {
        "kind": "exploding",
        "evidence": {"value": 1e6, "threshold": 10.0},
        "remedies": [{"name": "clip", "after": 1.0}],
    }
    made = story(wide, [])
    # 0, 1 and 6 decades on a logarithmic axis.
    assert (made.threshold_at - made.remedies[0].at) / (made.at - made.remedies[0].at) == pytest.approx(1 / 6, abs=2e-3)


def test_a_sparkline_is_logarithmic_and_marks_what_is_not_finite():
    assert sparkline([1.0, 10.0, 1e7, float("nan"), None]) == "▁▂█× "
    assert len(sparkline(np.arange(1.0, 1000.0), 60)) == 60
    assert sparkline([0.0, 7.0]) == "▁█"
    assert sparkline([1.0, 1.01]) in ("▄▅", "▄▄", "▅▅")
    assert sparkline([]) == ""


def test_the_dashboard_shows_findings_loss_and_every_layers_latest_numbers(tmp_path, capsys):
    written = make_run(tmp_path / "run", layers=5, steps=9)
    watch(tmp_path / "run", once=True)
    shown = capsys.readouterr().out
    for said in (
        "step 9 of 9",
        "The gradient vanishes at hidden/weight[0]",
        "alarm at -0.25",
        "init.he_normal('sigmoid')",
    ):
        assert said in shown
    assert "init.xavier_normal" not in shown
    for i, name in enumerate(layer_names(5)):
        (line,) = (line for line in shown.splitlines() if f" {name} " in line and "vanishes" not in line)
        assert f"{written['gradient_norm'][-1, i]:.3g}" in line


def test_the_dashboard_shows_no_more_layers_than_there_is_room_for(tmp_path):
    make_run(tmp_path / "run", layers=60, steps=3)
    found = vanishing("hidden/weight[7]", -0.45, 60)
    (tmp_path / "run" / "findings.json").write_text(json.dumps({"findings": [found]}))
    shown = text(*dashboard(read_run(tmp_path / "run"), height=30))
    assert len(shown.splitlines()) <= 30
    assert "of 60 layers" in shown
    assert "! hidden/weight[7]" in shown
    assert "  hidden/weight[0]" in shown
    assert "out/weight" in shown


def test_watching_looks_again_until_it_is_interrupted(tmp_path, monkeypatch):
    make_run(tmp_path / "run", layers=2, steps=3)
    metrics = tmp_path / "run" / "metrics.jsonl"
    lines = metrics.read_text().splitlines(keepends=True)
    metrics.write_text(lines[0])
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in a terminal
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt
        metrics.write_text("".join(lines[: len(slept) + 1]))

    monkeypatch.setattr("gdfunc.report._dashboard.time.sleep", sleep)
    seen = []
    monkeypatch.setattr(
        "gdfunc.report._dashboard.dashboard", lambda run, height=None, width=None: seen.append(len(run.records)) or [""]
    )
    watch(tmp_path / "run", every=0.5)
    assert slept == [0.5] * 3
    assert seen == [1, 2, 3]
    with pytest.raises(ValueError, match="every > 0"):
        watch(tmp_path / "run", every=0.0)


def test_where_there_is_no_terminal_a_run_is_shown_once(tmp_path, monkeypatch, capsys):
    make_run(tmp_path / "run", layers=2, steps=3)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("gdfunc.report._dashboard.time.sleep", lambda seconds: pytest.fail("it looks again"))
    watch(tmp_path / "run")
    assert capsys.readouterr().out.count("step 3 of 3") == 1


def test_every_picture_and_control_has_a_name(tmp_path):
    make_run(tmp_path / "run", layers=3, steps=5)
    page = run_report(tmp_path / "run")
    canvases = re.findall(r"<canvas[^>]*>", page)
    assert len(canvases) == 6
    assert all('role="img"' in canvas for canvas in canvases)
    named = [canvas for canvas in canvases if "aria-label=" in canvas and "aria-describedby=" in canvas]
    assert len(named) == 5  # the sixth is a pattern, named when it is used
    for control in re.findall(r"<(?:select|input)[^>]*>", page):
        before = page[: page.index(control)]
        assert before.rindex("<label") > before.rindex("</label>") if "</label>" in before else "<label" in before
    assert '<html lang="en">' in page
    for query in ("prefers-color-scheme: dark", "prefers-reduced-motion"):
        assert query in page


def test_the_table_holds_the_last_numbers_without_a_script(tmp_path):
    written = make_run(tmp_path / "run", layers=4, steps=7)
    page = run_report(tmp_path / "run")
    rows = re.findall(r"<tr data-layer=.*?</tr>", page, re.DOTALL)
    assert len(rows) == 4
    for i, row in enumerate(rows):
        assert f">{written['cotangent_rms'][-1, i]:.3g}<" in row
    assert ("⚠" in rows[0], "⚠" in rows[1]) == (True, False)

"""The page of a run in a real browser: it draws, answers pointer, keys and switches, and asks for nothing."""

import json
import re

import numpy as np
import pytest
from _browser import PATH, Browser, Page
from _run_folders import EDGES, layer_names, make_run

from gdfunc.report import run_report
from gdfunc.report._run_data import bin_names

pytestmark = pytest.mark.skipif(PATH is None, reason="needs a browser: apt-get install chromium")

_TOOLS = """
  const $ = (id) => document.getElementById(id);
  const frames = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const set = async (id, value, kind) => {
    $(id).value = value;
    $(id).dispatchEvent(new Event(kind));
    await frames();
  };
  const pixel = (canvas, x, y) => {
    const one = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    one.drawImage(canvas, -Math.floor(x), -Math.floor(y));
    return [...one.getImageData(0, 0, 1, 1).data];
  };
  for (let i = 0; i < 500 && !document.documentElement.dataset.ready; i++) await new Promise((done) => setTimeout(done, 10));
  const seen = {};
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    made = Browser(tmp_path_factory.mktemp("browser"))
    yield made
    made.close()


@pytest.fixture
def opened(browser, tmp_path):
    """A function that opens HTML as a page; at the end no page may have had an error, or asked for anything."""
    pages = []

    def open_page(html, **options):
        file = tmp_path / f"page{len(pages)}.html"
        file.write_text(html)
        page = Page(browser, file.as_uri(), **options)
        pages.append(page)
        look(page, "")
        return page

    yield open_page
    for page in pages:
        assert page.troubles() == []
        page.close()


def look(page, script):
    """Runs a script that puts what it finds into `seen`."""
    return page.run(f"{_TOOLS} {script} return seen;")


def hover(page, canvas, x, y):
    """Moves the mouse over a canvas, at (x, y) from its corner, and returns the words beside it."""
    at = look(page, f"""const canvas = {canvas};
        canvas.scrollIntoView({{ block: "center", behavior: "instant" }});
        const box = canvas.getBoundingClientRect();
        seen.x = box.left + ({x}); seen.y = box.top + ({y});""")  # fmt: skip
    page.mouse("mouseMoved", **at)
    return at, look(page, 'seen.tip = $("tip").hidden ? null : $("tip").textContent;')["tip"]


def press(page, at):
    page.mouse("mousePressed", **at, button="left", clickCount=1)
    page.mouse("mouseReleased", **at, button="left", clickCount=1)


def test_the_page_reads_the_numbers_that_were_written(opened, tmp_path):
    written = make_run(tmp_path / "run", layers=5, steps=20, bad_from=15)
    seen = look(
        opened(run_report(tmp_path / "run")),
        """for (const name of ["gradient_norm", "dead_fraction", "alignment"])
             seen[name] = steps.map((_, i) => layers.map((_, j) => String(matrices.here[name].at(i, j))));""",
    )
    for name, rows in seen.items():
        read = np.array([[np.nan if x == "null" else float(x.replace("Infinity", "inf")) for x in row] for row in rows])
        np.testing.assert_allclose(read, written[name], rtol=1.1e-3)


def test_a_vanishing_run_opens_at_its_finding_and_says_how_much_is_lost(opened, tmp_path):
    make_run(tmp_path / "run", layers=30, steps=200)
    seen = look(
        opened(run_report(tmp_path / "run")),
        """const { box, over } = places.heat, high = (box.bottom - box.top) / 30;
           seen.title = $("map-title").textContent;
           seen.says = $("map-says").textContent;
           seen.colours = [0, 15, 29].map((row) => pixel($("heat"), over(100), box.top + (row + 0.5) * high));
           seen.marked = pixel($("heat"), over(1), box.top + 0.5 * high);""",
    )
    assert seen["title"] == "Backward signal"
    times = float(re.search(r": ([\d.e]+) times smaller at the input", seen["says"])[1])
    assert 0.2 < times / 10 ** (0.45 * 29) < 5  # the noise of the first step, and three digits
    top, middle, bottom = (red + green + blue for red, green, blue, _ in seen["colours"])
    assert top < middle < bottom
    assert seen["marked"] == [0xB3, 0x16, 0x3F, 255]


def test_a_button_shows_a_finding_in_the_map(opened, tmp_path):
    make_run(tmp_path / "run", layers=5, steps=9)
    found = [
        {"kind": "vanishing", "layer": "out/weight"},
        {"kind": "dead_units", "layer": "hidden/weight[2]", "step": 7},
    ]
    (tmp_path / "run" / "findings.json").write_text(json.dumps({"findings": found}))
    seen = look(
        opened(run_report(tmp_path / "run")),
        """seen.first = [chosen.instrument.name, chosen.layer, steps[chosen.step]];
           document.querySelectorAll("button[data-finding]")[1].click();
           await frames();
           seen.second = [$("instrument").value, $("layer").value, $("step-now").textContent];""",
    )
    assert seen["first"] == ["cotangent_rms", 4, 9]
    assert seen["second"] == ["dead_fraction", "2", "7"]


def test_without_a_finding_the_page_opens_at_the_last_step_or_where_a_number_was_not_finite_first(opened, tmp_path):
    where = "seen.now = [chosen.instrument.name, chosen.layer, steps[chosen.step]];"
    make_run(tmp_path / "well", layers=4, steps=9, decades=-0.01)
    assert look(opened(run_report(tmp_path / "well")), where)["now"] == ["cotangent_rms", 0, 9]
    make_run(tmp_path / "bad", layers=4, steps=9, decades=-0.01, bad_from=5)
    assert look(opened(run_report(tmp_path / "bad")), where)["now"] == ["cotangent_rms", 0, 6]


def test_the_mouse_shows_layer_step_and_value_and_a_click_chooses_them(opened, tmp_path):
    written = make_run(tmp_path / "run", layers=10, steps=50, decades=-0.01)
    page = opened(run_report(tmp_path / "run"))
    names = layer_names(10)
    cell = "places.heat.over({}), places.heat.box.top + {} * (places.heat.box.bottom - places.heat.box.top) / 10"
    _, words = hover(page, '$("heat")', *cell.format(20, 3.5).split(", "))
    name, step, number = words.split("\n")
    assert (name, step) == (names[3], "step 20")
    # Three digits are shown.
    assert float(number.split()[0]) == pytest.approx(written["cotangent_rms"][19, 3], rel=6e-3)
    at, _ = hover(page, '$("heat")', *cell.format(30, 6.5).split(", "))
    press(page, at)
    chosen = 'await frames(); seen.now = [$("step-now").textContent, $("layer").selectedOptions[0].text];'
    assert look(page, chosen)["now"] == ["30", names[6]]
    assert hover(page, '$("heat")', 2, 2)[1] is None  # beside the map

    _, words = hover(page, '$("layers")', "places.layers.over(25)", "places.layers.up(value(24, 0))")
    assert words.split("\n")[1] == "step 25"
    found = float(words.split("\n")[2].split()[0])
    assert np.abs(np.log(written["cotangent_rms"][24] / found)).min() < 6e-3
    curve = 'document.querySelector("#curves canvas")'
    _, words = hover(page, curve, "curves[0].place.over(25)", "curves[0].place.box.top + 20")
    assert words == f"Loss\nrun, step 25: {2.3 * np.exp(-24 / 50):.3g}"
    record = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[20])["gradient_histogram"]
    bins = look(page, "seen.bins = histogram.bins;")["bins"]
    names_of_bins = [name for _, name in bin_names(EDGES, len(EDGES) - 1)]
    counts = record["counts"][6]
    most = bins.index(names_of_bins[int(np.argmax(counts))])
    percent = 100 * max(counts) / sum(counts)
    high = "(places.time.box.bottom - places.time.box.top) / histogram.bins.length"
    middle = f"places.time.box.bottom - {most + 0.5} * {high}"
    _, words = hover(page, '$("hist-time")', "places.time.over(21)", middle)
    layer, step, words = words.split("\n")
    assert (layer, step) == (names[6], "step 21")
    assert words.startswith(f"{bins[most]}: ")
    assert float(words.split(": ")[1].split()[0]) == pytest.approx(percent, abs=100 * 2 / 510)  # a byte holds its root


def test_a_curve_goes_through_its_numbers(opened, tmp_path):
    make_run(tmp_path / "run", layers=3, steps=50)
    seen = look(
        opened(run_report(tmp_path / "run")),
        """const [{ canvas, place }] = curves, y = place.up(DATA.series.loss[24]), x = place.over(25);
           seen.on = pixel(canvas, x, y);
           seen.off = pixel(canvas, x, y - 20);""",
    )
    here = [0x0B, 0x62, 0xA8]
    assert np.abs(np.subtract(seen["on"][:3], here)).max() < 60  # its edge is blended with the ground
    assert seen["on"][3] > 128
    assert seen["off"][3] == 0


def test_keys_and_switches_change_what_is_shown(opened, tmp_path):
    written = make_run(tmp_path / "run", layers=10, steps=50, decades=-0.01)
    page = opened(run_report(tmp_path / "run"))
    look(page, 'await set("step", "29", "input"); await set("layer", "6", "change"); $("heat").focus();')
    for key in ("ArrowRight", "ArrowUp", "ArrowUp"):
        page.call("Input.dispatchKeyEvent", type="keyDown", key=key)
    seen = look(
        page,
        """await frames();
           seen.keys = [$("step-now").textContent, $("layer").selectedOptions[0].text];
           const profile = $("profile").toDataURL(), map = $("heat").toDataURL();
           await set("instrument", "dead_fraction", "change");
           seen.instrument = [$("map-title").textContent, $("map-reads").textContent, $("heat").toDataURL() !== map];
           await set("step", "9", "input");
           seen.slider = [$("step-now").textContent, $("table-step").textContent, $("step").getAttribute("aria-valuetext")];
           seen.cell = document.querySelector('tr[data-layer="2"] td[data-instrument="gradient_norm"]').textContent;
           seen.profile = $("profile").toDataURL() !== profile;
           const x = places.heat.over(10);
           $("log-steps").click();
           await frames();
           seen.log = places.heat.over(10) / x;
           seen.focus = document.querySelectorAll(":focus-visible").length;""",
    )
    assert seen["keys"] == ["31", layer_names(10)[4]]
    assert seen["instrument"] == ["Dead units", "How to read Dead units.", True]
    assert seen["slider"][:2] == ["10", "10"]
    assert seen["slider"][2].startswith("step 10, ")
    assert float(seen["cell"]) == pytest.approx(written["gradient_norm"][9, 2], rel=6e-3)
    assert seen["profile"]
    assert seen["log"] > 1.3
    assert seen["focus"] == 1


def test_against_another_run_the_map_shows_the_ratio(opened, tmp_path):
    ours = make_run(tmp_path / "a", layers=6, steps=20)
    theirs = make_run(tmp_path / "b", layers=6, steps=20, decades=-0.01)
    page = opened(run_report(tmp_path / "a", against=tmp_path / "b"))
    seen = look(
        page,
        """await set("view", "change", "change");
           seen.title = $("map-title").textContent;
           seen.ratio = steps.map((_, i) => layers.map((_, j) => value(i, j)));
           const { box, over } = places.heat, high = (box.bottom - box.top) / 6;
           seen.colours = [0, 5].map((row) => pixel($("heat"), over(10), box.top + (row + 0.5) * high));
           seen.lines = curves[0].place.curves.length;""",
    )
    assert seen["title"] == "Backward signal: a / b"
    np.testing.assert_allclose(seen["ratio"], ours["cotangent_rms"] / theirs["cotangent_rms"], rtol=2.2e-3)
    (red, _, blue, _), (other_red, _, other_blue, _) = seen["colours"]
    assert blue - red > 50  # far below 1
    assert abs(other_blue - other_red) < 60  # about 1
    assert seen["lines"] == 2
    _, words = hover(page, '$("heat")', "places.heat.over(10)", "places.heat.box.top + 5")
    assert "in b" in words
    assert "ratio" in words


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("dark", [True, False])
def test_words_stand_out_in_both_schemes_and_a_narrow_window_is_not_overrun(opened, tmp_path, dark, width):
    make_run(tmp_path / "run", layers=12, steps=20)
    seen = look(
        opened(run_report(tmp_path / "run"), width=width, dark=dark, still=True),
        """const brush = document.createElement("canvas").getContext("2d");
           const light = (name) => {
             brush.fillStyle = colour(name);
             const parts = brush.fillStyle.match(/[0-9a-f]{2}/g).map((hex) => parseInt(hex, 16) / 255);
             const [r, g, b] = parts.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
             return 0.2126 * r + 0.7152 * g + 0.0722 * b;
           };
           const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
           seen.panel = light("--panel");
           seen.contrast = { row: contrast("--text", "--row") };
           for (const name of ["--text", "--muted", "--alarm", "--well", "--here", "--there"])
             for (const ground of ["--panel", "--ground"]) seen.contrast[name + ground] = contrast(name, ground);
           seen.play = $("play").hidden;
           seen.over = document.documentElement.scrollWidth - innerWidth;""",
    )
    assert (seen["panel"] < 0.2) == dark
    # WCAG 2.2, success criterion 1.4.3: 4.5 to 1 for text.
    assert min(seen["contrast"].values()) >= 4.5, seen["contrast"]
    assert seen["play"]  # nothing moves by itself for who does not want it
    assert seen["over"] <= 0


@pytest.mark.parametrize("missing", [("metrics.jsonl",), ("findings.json", "env.json")])
def test_a_page_of_a_run_with_files_missing_has_no_errors(opened, tmp_path, missing):
    make_run(tmp_path / "run", layers=3, steps=5)
    for name in missing:
        (tmp_path / "run" / name).unlink()
    opened(run_report(tmp_path / "run"))


def test_a_page_of_a_run_without_instruments_or_with_one_step_has_no_errors(opened, tmp_path):
    make_run(tmp_path / "run", layers=3, steps=5, instruments={})
    seen = look(opened(run_report(tmp_path / "run")), "await set('step', '2', 'input'); seen.step = chosen.step;")
    assert seen["step"] == 2
    make_run(tmp_path / "one", layers=1, steps=1)
    look(opened(run_report(tmp_path / "one")), "$('log-steps').click(); await frames();")


def test_playing_moves_along_the_steps_to_the_end(opened, tmp_path):
    make_run(tmp_path / "run", layers=3, steps=12)
    seen = look(
        opened(run_report(tmp_path / "run")),
        """$("play").click();
           for (let i = 0; i < 100 && chosen.step < 11; i++) await new Promise((done) => setTimeout(done, 50));
           await frames();
           seen.end = [$("step-now").textContent, $("play").textContent];""",
    )
    assert seen["end"] == ["12", "Play"]


def test_an_error_in_a_page_is_seen(opened, tmp_path):
    make_run(tmp_path / "run", layers=2, steps=3)
    html = run_report(tmp_path / "run")
    for bad in ("nowhere();", "console.error('no')", "fetch('https://example.org')"):
        page = opened(html.replace("</body>", f"<script>{bad}</script></body>"))
        assert page.troubles()
        page.browser.events.clear()

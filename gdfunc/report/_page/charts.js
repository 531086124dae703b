"use strict";
// The curves over the steps, and the table of layers.

function drawLayerCurves() {
  const of = (layer, view, stroke, width, dash) => ({
    steps, values: steps.map((_, step) => value(step, layer, view)), stroke, width, dash,
  });
  const both = DATA.other && chosen.view === "here";
  const hue = (layer) => `rgb(${mixed(RISING, 0.1 + (0.75 * layer) / Math.max(1, layers.length - 1)).join(" ")} / 60%)`;
  const made = () => [
    ...[...layers.keys()].map((layer) => of(layer, chosen.view, hue(layer), 1, [])),
    of(chosen.layer, chosen.view, colour("--panel"), 5, []), // sets the chosen one apart from the others
    of(chosen.layer, chosen.view, colour("--here"), 2.5, []),
    ...(both ? [of(chosen.layer, "there", colour("--there"), 2, [6, 3])] : []),
  ];
  const log = chosen.instrument.scale === "log";
  places.layers = drawCurves(byId("layers"), made, { log, height: 260, unit: unitOf() });
  byId("layers-says").textContent =
    `${titleOf()} over the steps: a line a layer, from the input (dark) to the output (light). ` +
    `The thick line is ${named(chosen.layer)}${both ? `, the dashed one the same layer in ${DATA.other.name}` : ""}.`;
}

/** A small picture for the loss and for each number of the whole run. */
function makeCurves() {
  const loss = { name: "loss", title: "Loss", unit: "", scale: "log", says: "" };
  return [loss, ...DATA.instruments.filter((each) => each.of === "run")].map(makeCurve);
}

function makeCurve(about) {
  const made = byId("curve").content.firstElementChild.cloneNode(true);
  const canvas = made.querySelector("canvas");
  byId("curves").append(made);
  made.querySelector("h3").textContent = about.title;
  canvas.setAttribute("aria-label", `${about.title} over the steps`);
  const curve = (run, stroke, width, dash) => ({
    steps: run.steps, values: asNumbers(run.series[about.name]), name: run.name, stroke, width, dash,
  });
  const runs = [DATA, DATA.other].filter((run) => run?.series[about.name]);
  const numbers = runs.flatMap((run) => asNumbers(run.series[about.name])).filter(Number.isFinite);
  const log = about.scale === "log" && numbers.every((x) => x > 0);
  const here = asNumbers(DATA.series[about.name]).filter((x) => x !== null);
  const bad = here.filter((x) => !Number.isFinite(x)).length;
  made.querySelector("figcaption").textContent =
    `From ${said(here[0])} to ${said(here[here.length - 1])} ${about.unit}`.trimEnd() +
    `${bad ? `; ${bad} numbers are not finite` : ""}. ${about.says}`;
  const both = () => [
    ...runs.slice(1).map((run) => curve(run, colour("--there"), 1.5, [6, 3])),
    curve(DATA, colour("--here"), 2, []),
  ];
  const draw = () => drawCurves(canvas, both, { log, height: 200, unit: about.unit });
  return { canvas, about, draw, place: null };
}

function fillTable() {
  byId("table-step").textContent = steps[chosen.step];
  for (const cell of document.querySelectorAll("#table td[data-instrument]")) {
    const x = at("here", cell.dataset.instrument, chosen.step, Number(cell.parentElement.dataset.layer));
    cell.textContent = x === null ? "" : said(x);
    cell.classList.toggle("bad", x !== null && !Number.isFinite(x));
  }
  for (const row of document.querySelectorAll("#table tbody tr")) {
    row.classList.toggle("chosen", Number(row.dataset.layer) === chosen.layer);
  }
}

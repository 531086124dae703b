"use strict";
// The page: what is chosen, and everything drawn anew when it changes.

const byId = (id) => document.getElementById(id);
const DATA = JSON.parse(byId("data").textContent);
const { steps, layers } = DATA;
const LAYERED = DATA.instruments.filter((each) => each.of === "layer");
const chosen = { instrument: LAYERED[0], view: "here", layer: 0, step: Math.max(0, steps.length - 1) };
const matrices = { here: {}, there: {} };
const places = {}; // where the pictures' boxes lie, for the pointer
const painted = { key: "", made: null };
const scales = {};
const DARK = matchMedia("(prefers-color-scheme: dark)");

/** What the pictures depend on, besides the chosen step. */
const setting = () =>
  [chosen.instrument?.name, chosen.view, chosen.layer, innerWidth, devicePixelRatio, logSteps(), DARK.matches].join();
const logSteps = () => byId("log-steps").checked;
const named = (layer) => layers[layer].name;
const flagged = () => [...new Set(DATA.findings.map((each) => each.layer).filter((layer) => layer !== null))];
const at = (view, name, step, layer) => (matrices[view][name] ? matrices[view][name].at(step, layer) : null);

/** The map from steps to pixels that all pictures share. */
function across(left, right) {
  const log = logSteps();
  const first = log ? (steps.find((step) => step > 0) ?? 1) : steps[0];
  return axis(first, Math.max(first, steps[steps.length - 1]), left, right, log);
}

/** The chosen instrument's number in the chosen view: this run's, the other's, or what lies between them. */
function value(step, layer, view = chosen.view) {
  const { name, scale } = chosen.instrument;
  if (view !== "change") return at(view, name, step, layer);
  const [here, there] = [at("here", name, step, layer), at("there", name, step, layer)];
  if (here === null || there === null) return null;
  return scale === "log" ? (here === there ? 1 : here / there) : here - there;
}

function everyValue(view = chosen.view) {
  if (view !== "change") return matrices[view][chosen.instrument.name]?.all() ?? [];
  return steps.flatMap((_, step) => layers.map((_, layer) => value(step, layer)));
}

function titleOf(view = chosen.view) {
  const { title } = chosen.instrument;
  if (view === "here") return title;
  if (view === "there") return `${title} of ${DATA.other.name}`;
  return `${title}: ${DATA.name} ${chosen.instrument.scale === "log" ? "/" : "−"} ${DATA.other.name}`;
}

const unitOf = () => (chosen.view === "change" && chosen.instrument.scale === "log" ? "ratio" : chosen.instrument.unit);

function tell() {
  const here = `${said(value(chosen.step, chosen.layer))} at ${named(chosen.layer)}`;
  byId("step").setAttribute("aria-valuetext", `step ${steps[chosen.step]}, ${here}`);
  byId("layer").value = chosen.layer;
  byId("instrument").value = chosen.instrument.name;
  byId("view").value = chosen.view;
  byId("map-title").textContent = titleOf();
  byId("map-reads").textContent = chosen.instrument.says;
  byId("map-says").textContent = describe();
  byId("profile-start").textContent = `step ${steps[0]}`;
  byId("profile-first").hidden = chosen.step === 0;
  if (DATA.other) byId("profile-other").hidden = chosen.view !== "here";
  byId("profile-step").textContent = `step ${steps[chosen.step]}`;
}

let waiting = false;
function choose(change) {
  Object.assign(chosen, change);
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw();
  });
}

let curves = [];
function draw() {
  if (!steps.length) return;
  byId("step").value = chosen.step;
  byId("step-now").textContent = steps[chosen.step];
  for (const each of curves) each.place = each.draw();
  drawHistograms();
  fillTable();
  if (!chosen.instrument || !layers.length) return;
  tell();
  drawMap();
  drawLayerCurves();
}

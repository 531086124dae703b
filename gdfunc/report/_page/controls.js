"use strict";
// What the keys and the switches do; then the page starts.

/** Arrow keys on the map: along the steps and through the layers. */
function moved(event) {
  const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!by) return;
  event.preventDefault();
  choose({ step: between(chosen.step + by[0], steps.length), layer: between(chosen.layer + by[1], layers.length) });
}

/** Moves along the steps until the end or a second press. */
function play() {
  const button = byId("play");
  if (play.timer) return stop();
  if (chosen.step === steps.length - 1) choose({ step: 0 });
  const stride = Math.max(1, Math.round(steps.length / 150));
  button.textContent = "Pause";
  play.timer = setInterval(() => {
    choose({ step: Math.min(steps.length - 1, chosen.step + stride) });
    if (chosen.step === steps.length - 1) stop();
  }, 60);
  function stop() {
    clearInterval(play.timer);
    play.timer = null;
    button.textContent = "Play";
  }
}

// Words in the names of the instruments that show a kind of finding, the best first.
const SHOWN_BY = {
  dead_units: ["dead", "zeros"],
  saturation: ["satur"],
  symmetric_init: ["rank"],
  rank_collapse: ["rank"],
  rate_too_high: ["update"],
  rate_too_low: ["update"],
};

/** The instrument that shows a finding, or else the one of the gradient that goes through the layers. */
function instrumentFor({ kind }) {
  const words = [...(SHOWN_BY[kind] ?? []), kind, "output_gradient", "cotangent", "gradient"];
  const shows = (word) => LAYERED.find((each) => each.name.includes(word));
  return words.filter(Boolean).map(shows).find(Boolean) ?? chosen.instrument;
}

/** Where no finding says where to look: the first number that is not finite, or else the last step. */
function firstTrouble() {
  const name = chosen.instrument?.name;
  for (let step = 0; name && step < steps.length; step++) {
    const row = layers.map((_, layer) => at("here", name, step, layer));
    const layer = row.findIndex((x) => x !== null && !Number.isFinite(x));
    if (layer >= 0) return { kind: "", layer, step: steps[step] };
  }
  return { kind: "", layer: null, step: null };
}

function showFinding(finding) {
  choose({
    instrument: instrumentFor(finding),
    view: "here",
    layer: finding.layer ?? chosen.layer,
    step: finding.step === null ? chosen.step : nearestIndex(steps, finding.step),
  });
}

function wire() {
  const on = (id, event, act) => byId(id)?.addEventListener(event, act);
  byId("step").max = steps.length - 1;
  on("step", "input", (event) => choose({ step: Number(event.target.value) }));
  on("layer", "change", (event) => choose({ layer: Number(event.target.value) }));
  on("instrument", "change", (event) => choose({ instrument: LAYERED[event.target.selectedIndex] }));
  on("view", "change", (event) => choose({ view: event.target.value }));
  on("histogram", "change", (event) => {
    histogram = DATA.histograms[event.target.selectedIndex];
    choose({});
  });
  on("log-steps", "change", () => choose({}));
  on("heat", "keydown", moved);
  on("play", "click", play);
  byId("play").hidden = matchMedia("(prefers-reduced-motion: reduce)").matches;
  for (const button of document.querySelectorAll("button[data-finding]")) {
    button.addEventListener("click", () => {
      showFinding(DATA.findings[Number(button.dataset.finding)]);
      byId("map-title").scrollIntoView({ block: "start" });
    });
  }
  for (const row of document.querySelectorAll("#table tbody tr")) {
    row.addEventListener("click", () => choose({ layer: Number(row.dataset.layer) }));
  }
  addEventListener("resize", () => choose({}));
  DARK.addEventListener("change", () => choose({}));
}

async function start() {
  for (const name in DATA.matrices) matrices.here[name] = await asMatrix(DATA.matrices[name], steps);
  for (const name in DATA.other?.matrices) matrices.there[name] = await asMatrix(DATA.other.matrices[name], steps);
  await readHistograms();
  if (!steps.length) return;
  curves = makeCurves();
  chosen.instrument = instrumentFor({ kind: "" });
  showFinding(DATA.findings[0] ?? firstTrouble());
  draw();
  wire();
  if (LAYERED.length && layers.length) pointMap();
  pointCurves();
  if (histogram) pointHistograms();
  document.documentElement.dataset.ready = "yes";
}

start().catch((error) => {
  byId("trouble").hidden = false;
  byId("trouble").textContent =
    `The pictures could not be drawn (${error.message}). The findings and the table below are complete.`;
  throw error;
});

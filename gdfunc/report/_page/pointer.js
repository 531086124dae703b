"use strict";
// What the pointer tells and chooses.

const inside = (box, x, y) => x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
const between = (x, count) => Math.min(count - 1, Math.max(0, Math.floor(x)));
const layerAt = (box, y) => between(((y - box.top) / (box.bottom - box.top)) * layers.length, layers.length);

/** Shows `words(x, y)` beside the pointer over a canvas, and calls `pressed(x, y)` on a click or drag. */
function pointed(canvas, words, pressed) {
  const tip = byId("tip");
  const local = (event) => [event.offsetX, event.offsetY];
  canvas.addEventListener("pointermove", (event) => {
    const text = words(...local(event));
    tip.hidden = !text;
    if (text) {
      tip.textContent = text;
      const right = event.clientX + 18 + tip.offsetWidth > document.documentElement.clientWidth;
      tip.style.left = (right ? event.clientX - tip.offsetWidth - 14 : event.clientX + 16) + "px";
      tip.style.top = Math.max(4, event.clientY - tip.offsetHeight - 10) + "px";
    }
    if (event.buttons === 1) pressed(...local(event));
  });
  canvas.addEventListener("pointerleave", () => (tip.hidden = true));
  canvas.addEventListener("pointerdown", (event) => pressed(...local(event)));
}

function wordsFor(step, layer) {
  const lines = [named(layer), `step ${steps[step]}`];
  const { name, unit, scale } = chosen.instrument;
  lines.push(`${said(at("here", name, step, layer))} ${unit}`);
  if (matrices.there[name]) {
    lines.push(`${said(at("there", name, step, layer))} in ${DATA.other.name}`);
    lines.push(`${scale === "log" ? "ratio" : "difference"} ${said(value(step, layer, "change"))}`);
  }
  return lines.join("\n");
}

function pointMap() {
  const step = ({ over }, x) => nearestIndex(steps, over.back(x));
  const [heat, profile, curve] = ["heat", "profile", "layers"].map((name) => () => places[name]);
  pointed(
    byId("heat"),
    (x, y) => inside(heat().box, x, y) && wordsFor(step(heat(), x), layerAt(heat().box, y)),
    (x, y) => {
      const { box } = heat();
      if (inside(box, x, y)) choose({ layer: layerAt(box, y), step: step(heat(), x) });
      else if (inside(box, box.left, y)) choose({ layer: layerAt(box, y) }); // on its name
    },
  );
  pointed(
    byId("profile"),
    (x, y) => inside(profile().box, x, y) && wordsFor(chosen.step, layerAt(profile().box, y)),
    (x, y) => inside(profile().box, x, y) && choose({ layer: layerAt(profile().box, y) }),
  );
  pointed(
    byId("layers"),
    (x, y) => inside(curve().box, x, y) && wordsFor(step(curve(), x), nearestLayer(curve(), step(curve(), x), y)),
    (x, y) => {
      const at = step(curve(), x);
      if (inside(curve().box, x, y)) choose({ step: at, layer: nearestLayer(curve(), at, y) });
    },
  );
}

/** The layer whose curve is nearest to the pointer. */
function nearestLayer({ up }, step, y) {
  let best = chosen.layer;
  let least = 12;
  layers.forEach((_, layer) => {
    const x = value(step, layer);
    const away = x !== null && up.holds(x) ? Math.abs(up(x) - y) : Infinity;
    if (away < least) [best, least] = [layer, away];
  });
  return best;
}

function pointCurves() {
  const step = (place, x) => nearestIndex(steps, place.over.back(x));
  for (const each of curves) {
    const tell = (x) => each.place.curves.map((curve) => {
      const i = nearestIndex(curve.steps, each.place.over.back(x));
      return `${curve.name}, step ${curve.steps[i]}: ${said(curve.values[i])}`;
    });
    pointed(
      each.canvas,
      (x, y) => inside(each.place.box, x, y) && [each.about.title, ...tell(x).reverse()].join("\n"),
      (x, y) => inside(each.place.box, x, y) && choose({ step: step(each.place, x) }),
    );
  }
}

function pointHistograms() {
  const clamp = (x) => between(x, histogram.bins.length);
  const words = (step, layer, bin) =>
    `${named(layer)}\nstep ${histogram.steps[step]}\n${histogram.bins[bin]}: ${said(100 * share(step, layer, bin))} %`;
  const stepAt = (x) => nearestIndex(histogram.steps, places.time.over.back(x));
  const binUp = ({ box }, y) => clamp(((box.bottom - y) / (box.bottom - box.top)) * histogram.bins.length);
  pointed(
    byId("hist-time"),
    (x, y) => inside(places.time.box, x, y) && words(stepAt(x), chosen.layer, binUp(places.time, y)),
    (x, y) => inside(places.time.box, x, y) && choose({ step: nearestIndex(steps, places.time.over.back(x)) }),
  );
  const binAcross = ({ box, wide }, x) => clamp((x - box.left) / wide);
  const layer = (y) => layerAt(places.depth.box, y);
  pointed(
    byId("hist-depth"),
    (x, y) => inside(places.depth.box, x, y) && words(histogramStep(), layer(y), binAcross(places.depth, x)),
    (x, y) => inside(places.depth.box, x, y) && choose({ layer: layer(y) }),
  );
}

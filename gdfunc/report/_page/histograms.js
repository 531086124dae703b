"use strict";
// Histograms over time: a layer's over the steps, and all layers' at one step.

let histogram = null; // the chosen one

const share = (step, layer, bin) => {
  const [, high, wide] = histogram.shares.shape;
  return (histogram.bytes[(step * high + layer) * wide + bin] / 255) ** 2;
};
const histogramStep = () => nearestIndex(histogram.steps, steps[chosen.step]);

async function readHistograms() {
  DATA.histograms = DATA.histograms.filter((each) => each.steps.length);
  for (const each of DATA.histograms) each.bytes = await inflated(each.shares.codes);
  histogram = DATA.histograms[0] ?? null;
}

function drawHistograms() {
  if (!histogram) return;
  const bins = histogram.bins.length;
  const paint = (x) => (x === 0 ? GAP : mixed(RISING, Math.sqrt(x / histogram.most)));
  histogram.most ??= Math.max(...histogram.bytes.reduce((most, x) => (x > most ? [x] : most), [1])) ** 2 / 255 ** 2;
  const over = fresh(byId("hist-time"), 280);
  const box = { left: 58, right: over.width - 12, top: 8, bottom: 232 };
  const place = across(box.left, box.right);
  const columns = columnsOf(histogram.steps, place, box.left, box.right);
  const fromTop = (step, row) => share(step, chosen.layer, bins - 1 - row);
  drawCells(over.context, box, cells(columns, bins, fromTop, paint), bins);
  drawBelow(over.context, place, box, "step", false);
  drawNames(over.context, box, [...histogram.marks].reverse(), -1, [], 58);
  line(over.context, place(steps[chosen.step]), box.top, place(steps[chosen.step]), box.bottom, colour("--text"));
  places.time = { box, over: place };
  drawDepth(bins, paint);
  const step = histogram.steps[histogramStep()];
  byId("hist-says").textContent =
    `${histogram.title}: how the numbers of ${named(chosen.layer)} spread over the steps, ` +
    `and those of all layers at step ${step}. ` +
    `Light cells hold most of a layer's numbers, empty cells none. ${histogram.says}`;
}

function drawDepth(bins, paint) {
  const { context, width } = fresh(byId("hist-depth"), 280);
  const box = { left: Math.min(130, width * 0.32), right: width - 12, top: 8, bottom: 232 };
  const wide = (box.right - box.left) / bins;
  const columns = Array.from({ length: bins }, (_, bin) => [bin]);
  const step = histogramStep();
  drawCells(context, box, cells(columns, layers.length, (bin, layer) => share(step, layer, bin), paint), layers.length);
  drawNames(context, box, layers.map((each) => each.name), chosen.layer, flagged(), box.left);
  context.textAlign = "center";
  context.fillStyle = colour("--muted");
  const every = Math.ceil(44 / wide);
  histogram.marks.forEach((mark, i) => {
    if (i % every === 0) context.fillText(mark, box.left + (i + 0.5) * wide, box.bottom + 12);
  });
  context.fillText(histogram.unit, (box.left + box.right) / 2, box.bottom + 28);
  places.depth = { box, wide };
}

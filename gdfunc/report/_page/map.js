"use strict";
// The map of depth against step, the profile beside it, and both in words.

/** The colours' range, logarithm and stops for the chosen instrument and view. */
const scaleOf = () => (scales[[chosen.instrument.name, chosen.view]] ??= madeScale());

function madeScale() {
  const log = chosen.instrument.scale === "log";
  if (chosen.view === "change") {
    const far = log ? (x) => Math.max(x, 1 / x) : Math.abs;
    const [low, high] = range(everyValue(), log, true);
    const most = Math.max(far(low), far(high), log ? 1.01 : 1e-12);
    return { low: log ? 1 / most : -most, high: most, log, stops: AROUND };
  }
  // One range for both runs, so that their views compare.
  const [low, high] = range([...everyValue("here"), ...everyValue("there")], log, true);
  if (!log) return { low: Math.min(0, low), high, log, stops: RISING };
  const spread = Math.max(1, 10 / Math.sqrt(high / low)); // two decades at least: noise must not look like a trend
  return { low: low / spread, high: high * spread, log, stops: RISING };
}

function drawMap() {
  const rows = layers.length;
  const row = Math.min(26, Math.max(4, 460 / rows));
  const { context, width, height } = fresh(byId("heat"), Math.max(90, rows * row) + 56);
  const names = Math.min(150, width * 0.32);
  const box = { left: names, right: width - 14, top: 8, bottom: height - 48 };
  const over = across(box.left, box.right);
  const scale = scaleOf();
  const key = [chosen.instrument.name, chosen.view, width, logSteps()].join();
  if (painted.key !== key) {
    const columns = columnsOf(steps, over, box.left, box.right);
    painted.made = cells(columns, rows, value, colouring(scale.low, scale.high, scale.log, scale.stops));
    painted.key = key;
  }
  drawCells(context, box, painted.made, rows);
  drawBelow(context, over, box, "step", false);
  drawNames(context, box, layers.map((each) => each.name), chosen.layer, flagged(), names);
  const high = (box.bottom - box.top) / rows;
  context.lineWidth = 1.5;
  context.strokeStyle = colour("--halo");
  context.strokeRect(box.left - 1, box.top + chosen.layer * high, box.right - box.left + 2, high);
  const x = over(steps[chosen.step]);
  line(context, x, box.top, x, box.bottom, colour("--halo"), 3);
  line(context, x, box.top, x, box.bottom, colour("--text"), 1);
  for (const finding of DATA.findings) {
    const seen = finding.layer !== null && finding.step !== null && steps[nearestIndex(steps, finding.step)];
    if (seen !== false && over.holds(seen)) diamond(context, over(seen), box.top + (finding.layer + 0.5) * high);
  }
  places.heat = { box, over };
  drawBar(scale, painted.made.marks);
  drawBeside(box, scale);
}

function drawBeside(box, scale) {
  const { context, width } = fresh(byId("profile"), box.bottom + 48);
  const inner = { left: 10, right: width - 12, top: box.top, bottom: box.bottom };
  const place = axis(scale.low, scale.high, inner.left + 6, inner.right - 6, scale.log);
  const high = (inner.bottom - inner.top) / layers.length;
  context.fillStyle = colour("--row");
  context.fillRect(inner.left, inner.top + chosen.layer * high, inner.right - inner.left, high);
  drawBelow(context, place, inner, unitOf(), true);
  const same = scale.log ? 1 : 0;
  if (chosen.view === "change") line(context, place(same), inner.top, place(same), inner.bottom, colour("--muted"), 2);
  const look = (step, view, stroke, width, dash, dots) => ({
    values: layers.map((_, layer) => value(step, layer, view)), stroke, width, dash, dots,
  });
  const lines = [look(0, chosen.view, colour("--muted"), 1, [2, 3], false)];
  const both = DATA.other && chosen.view === "here";
  if (both) lines.push(look(chosen.step, "there", colour("--there"), 1.5, [6, 3], false));
  lines.push(look(chosen.step, chosen.view, colour("--here"), 2, [], true));
  drawProfile(context, inner, place, lines, chosen.layer);
  context.strokeStyle = colour("--line");
  context.strokeRect(inner.left, inner.top, inner.right - inner.left, inner.bottom - inner.top);
  places.profile = { box: inner };
}

function drawBar(scale, marks) {
  byId("bar").style.background = `linear-gradient(to right, ${scale.stops.map((stop) => "#" + stop).join(",")})`;
  byId("bar-low").textContent = said(scale.low);
  byId("bar-high").textContent = `${said(scale.high)} ${unitOf()}`;
  byId("mark-bad").hidden = !marks.some((mark) => mark[2] === BAD);
  byId("mark-zero").hidden = !marks.some((mark) => mark[2] === ZERO);
}

/** The input's part of the output's number, in words. */
function compared(ratio) {
  if (ratio > 0.5 && ratio < 2) return "about the same size";
  return `${said(Math.max(ratio, 1 / ratio))} times ${ratio < 1 ? "smaller" : "larger"} at the input`;
}

/** What the map and the profile show, in words. */
function describe() {
  const { name } = chosen.instrument;
  const measured = chosen.view === "here" ? matrices.here[name].measuredAt(chosen.step) : chosen.step;
  const row = layers.map((_, layer) => value(chosen.step, layer));
  const known = row.map((x, i) => [x, i]).filter(([x]) => x !== null);
  if (!known.length) return `${titleOf()}: nothing was measured at step ${steps[chosen.step]}.`;
  const [[first, top], [last, bottom]] = [known[0], known[known.length - 1]];
  let words = chosen.view === "change" ? `${titleOf()} at step ${steps[measured]}` : `Step ${steps[measured]}`;
  words += `: ${said(first)} at ${named(top)} nearest the input, ${said(last)} at ${named(bottom)} nearest the output`;
  const comparable = chosen.view !== "change" && chosen.instrument.scale === "log" && bottom > top;
  if (comparable && first > 0 && last > 0 && Number.isFinite(first / last)) words += `: ${compared(first / last)}`;
  const bad = known.filter(([x]) => !Number.isFinite(x)).length;
  if (bad) words += `; ${bad} of ${known.length} layers are not finite`;
  return `${words}. At ${named(chosen.layer)}: ${said(value(chosen.step, chosen.layer))}.`;
}

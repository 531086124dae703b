"use strict";
// Axes and canvases.

const FONT = "12px system-ui, sans-serif";
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A map from [low, high] to [from, to]: linear, or logarithmic where `log`. */
function axis(low, high, from, to, log) {
  const into = log ? Math.log10 : (x) => x;
  let a = into(low);
  let b = into(high);
  const around = log ? 0.5 : Math.max(0.5, Math.abs(a) / 2); // a single number has an axis too
  if (!(b > a)) [a, b] = [a - around, a + around];
  const place = (x) => from + ((into(x) - a) / (b - a)) * (to - from);
  place.back = (p) => {
    const x = a + ((p - from) / (to - from)) * (b - a);
    return log ? 10 ** x : x;
  };
  place.holds = (x) => Number.isFinite(x) && (!log || x > 0);
  const [first, last] = [place.back(from), place.back(to)];
  place.ticks = (most) => (log && b - a >= 0.9 ? decades(a, b, most) : plainTicks(first, last, most));
  return place;
}

function decades(a, b, most) {
  const every = Math.max(1, Math.ceil((Math.floor(b) - Math.ceil(a) + 1) / most));
  const ticks = [];
  for (let e = Math.ceil(a / every - 1e-9) * every; e <= b + 1e-9; e += every) {
    ticks.push({ at: 10 ** e, label: e > -3 && e < 4 ? String(Number((10 ** e).toPrecision(1))) : power(e) });
  }
  if (ticks.length > 2 || b - a > 2) return ticks;
  const exponents = Array.from({ length: Math.ceil(b) - Math.floor(a) + 1 }, (_, i) => Math.floor(a) + i);
  return exponents.flatMap((e) => [1, 2, 5].map((m) => m * 10 ** e))
    .filter((x) => Math.log10(x) >= a - 1e-9 && Math.log10(x) <= b + 1e-9)
    .map((x) => ({ at: x, label: said(x) }));
}

function plainTicks(low, high, most) {
  const rough = (high - low) / Math.max(1, most);
  const unit = 10 ** Math.floor(Math.log10(rough));
  const by = [1, 2, 5, 10].map((m) => m * unit).find((x) => x >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / by - 1e-9); i * by <= high + by * 1e-9; i++) {
    ticks.push({ at: i * by, label: said(Number((i * by).toPrecision(12))) });
  }
  return ticks;
}

/** The lowest and highest number that an axis can show. With `trimmed`, one in 500 at each end may lie beyond it. */
function range(numbers, log, trimmed) {
  const shown = Float64Array.from(numbers.filter((x) => x !== null && Number.isFinite(x) && (!log || x > 0))).sort();
  if (!shown.length) return log ? [0.1, 1] : [0, 1];
  const cut = trimmed ? Math.floor(shown.length / 500) : 0;
  return [shown[cut], shown[shown.length - 1 - cut]];
}

/** The context of a canvas that fills its box, cleared, in CSS pixels. */
function fresh(canvas, height) {
  const width = Math.max(120, canvas.parentElement.clientWidth);
  const dense = window.devicePixelRatio || 1;
  canvas.style.height = height + "px";
  canvas.width = Math.round(width * dense);
  canvas.height = Math.round(height * dense);
  const context = canvas.getContext("2d");
  context.setTransform(dense, 0, 0, dense, 0, 0);
  context.font = FONT;
  context.textBaseline = "middle";
  return { context, width, height };
}

/** Ticks, grid lines and the unit of a horizontal axis below `box`. */
function drawBelow(context, place, box, title, grid) {
  const ticks = place.ticks(Math.max(2, Math.floor((box.right - box.left) / 90)));
  context.textAlign = "center";
  for (const { at, label } of ticks) {
    const x = place(at);
    if (grid) line(context, x, box.top, x, box.bottom, colour("--grid"));
    line(context, x, box.bottom, x, box.bottom + 4, colour("--muted"));
    context.fillStyle = colour("--muted");
    const half = context.measureText(label).width / 2;
    context.fillText(label, Math.min(x, context.canvas.clientWidth - half - 1), box.bottom + 12);
  }
  context.fillText(title, (box.left + box.right) / 2, box.bottom + 28);
}

/** Ticks and grid lines of a vertical axis left of `box`. */
function drawLeft(context, place, box) {
  context.textAlign = "right";
  for (const { at, label } of place.ticks(Math.max(2, Math.floor((box.bottom - box.top) / 36)))) {
    line(context, box.left, place(at), box.right, place(at), colour("--grid"));
    context.fillStyle = colour("--muted");
    context.fillText(label, box.left - 6, place(at));
  }
}

function line(context, x0, y0, x1, y1, stroke, width = 1, dash = []) {
  context.strokeStyle = stroke;
  context.lineWidth = width;
  context.setLineDash(dash);
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
  context.setLineDash([]);
}

function cross(context, x, y) {
  line(context, x - 4, y - 4, x + 4, y + 4, colour("--alarm"), 2);
  line(context, x - 4, y + 4, x + 4, y - 4, colour("--alarm"), 2);
}

function diamond(context, x, y) {
  context.beginPath();
  [[x, y - 6], [x + 6, y], [x, y + 6], [x - 6, y]].forEach(([px, py]) => context.lineTo(px, py));
  context.closePath();
  context.fillStyle = colour("--alarm");
  context.strokeStyle = colour("--halo");
  context.lineWidth = 2;
  context.stroke();
  context.fill();
}

/** Text cut to a width, its end kept: layers differ there. */
function cut(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let from = 1;
  while (from < text.length && context.measureText("…" + text.slice(from)).width > width) from++;
  return "…" + text.slice(from);
}

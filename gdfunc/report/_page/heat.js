"use strict";
// Depth against step in colour, and the profile beside it.

// Viridis and a blue-orange pair: told apart by colour-blind readers too, and even in grey.
const RISING = ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"];
const AROUND = ["08519c", "3a83c1", "8fbfe0", "d9d9d9", "f3b27a", "dd7424", "9a3d00"];
const GAP = "empty";
const ZERO = "zero";
const BAD = "bad";

function mixed(stops, part) {
  const place = Math.min(1, Math.max(0, part)) * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(place));
  const [a, b] = [parseInt(stops[i], 16), parseInt(stops[i + 1], 16)];
  const mix = (x, y) => Math.round(x + (y - x) * (place - i));
  return [16, 8, 0].map((bits) => mix((a >> bits) & 255, (b >> bits) & 255));
}

/** A colour a number: three bytes, or what a cell is instead of coloured. */
function colouring(low, high, log, stops) {
  const part = axis(low, high, 0, 1, log);
  return (x) => (x === null ? GAP : !Number.isFinite(x) ? BAD : log && x <= 0 ? ZERO : mixed(stops, part(x)));
}

/** The picture of the cells, a pixel a cell: `columns` lists the indices of the steps that fall on each pixel. */
function cells(columns, rows, value, paint) {
  const image = new ImageData(columns.length, rows);
  const marks = [];
  columns.forEach((steps, x) => {
    for (let y = 0; y < rows; y++) {
      let look = paint(value(steps[0], y));
      for (let i = 1; i < steps.length && look !== BAD; i++) if (paint(value(steps[i], y)) === BAD) look = BAD;
      if (Array.isArray(look)) image.data.set([...look, 255], 4 * (y * columns.length + x));
      else if (look !== GAP) marks.push([x, y, look]);
    }
  });
  const picture = document.createElement("canvas");
  [picture.width, picture.height] = [columns.length, rows];
  picture.getContext("2d").putImageData(image, 0, 0);
  return { picture, marks };
}

/** For each pixel of [left, right), the indices of the steps that fall on it. */
function columnsOf(steps, across, left, right) {
  return Array.from({ length: Math.max(1, Math.floor(right - left)) }, (_, p) => {
    const from = nearestIndex(steps, across.back(left + p));
    const to = nearestIndex(steps, across.back(left + p + 1));
    return Array.from({ length: Math.max(1, to - from) }, (_, i) => from + i);
  });
}

function pattern(context, stroke, ground, dots) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const brush = tile.getContext("2d");
  brush.fillStyle = ground;
  brush.fillRect(0, 0, 6, 6);
  if (dots) {
    brush.fillStyle = stroke;
    brush.fillRect(2, 2, 2, 2);
  } else {
    for (const x of [-6, 0, 6]) line(brush, x, 6, x + 6, 0, stroke, 1.5);
  }
  return context.createPattern(tile, "repeat");
}

const badPattern = (context) => pattern(context, "#ffffff", "#c2185b", false);
const zeroPattern = (context) => pattern(context, "#9a9a9a", "#101010", true);

/** Draws cells into `box`. */
function drawCells(context, box, made, rows) {
  context.imageSmoothingEnabled = false;
  context.drawImage(made.picture, box.left, box.top, box.right - box.left, box.bottom - box.top);
  const [wide, high] = [(box.right - box.left) / made.picture.width, (box.bottom - box.top) / rows];
  const brushes = { [BAD]: badPattern(context), [ZERO]: zeroPattern(context) };
  for (const [x, y, look] of made.marks) {
    context.fillStyle = brushes[look];
    context.fillRect(box.left + x * wide, box.top + y * high, wide + 0.3, high);
  }
  context.strokeStyle = colour("--line");
  context.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
}

/** The layers' names beside `box`, as many as there is room for; the chosen one and those with a finding always. */
function drawNames(context, box, names, chosen, found, toRight) {
  const high = (box.bottom - box.top) / names.length;
  const y = (i) => box.top + (i + 0.5) * high;
  const first = [...new Set([chosen, ...found])].filter((i) => i >= 0);
  const every = Math.max(1, Math.ceil(14 / high));
  const taken = [];
  const fits = (i) => taken.every((j) => Math.abs(y(i) - y(j)) >= 13);
  for (const i of [...first, ...names.keys()]) {
    if ((!first.includes(i) && i % every) || !fits(i)) continue;
    taken.push(i);
    const flagged = found.includes(i);
    context.font = i === chosen || flagged ? "bold " + FONT : FONT;
    context.fillStyle = flagged ? colour("--alarm") : i === chosen ? colour("--text") : colour("--muted");
    context.textAlign = "right";
    context.fillText(cut(context, (flagged ? "⚠ " : "") + names[i], toRight - 4), box.left - 6, y(i));
  }
  context.font = FONT;
}

/** The profile: the value of every layer at one step, at the heights of the rows in `box`. */
function drawProfile(context, box, place, lines, chosen) {
  const high = (box.bottom - box.top) / lines[0].values.length;
  const y = (i) => box.top + (i + 0.5) * high;
  for (const { values, stroke, width, dash, dots } of lines) {
    context.strokeStyle = context.fillStyle = stroke;
    context.lineWidth = width;
    context.setLineDash(dash);
    let pen = false;
    context.beginPath();
    values.forEach((x, i) => {
      const seen = x !== null && place.holds(x);
      if (seen) context[pen ? "lineTo" : "moveTo"](place(x), y(i));
      pen = seen;
    });
    context.stroke();
    context.setLineDash([]);
    values.forEach((x, i) => {
      if (x === null) return;
      if (!Number.isFinite(x)) return dots && cross(context, box.right - 6, y(i));
      if (!dots || !place.holds(x)) return;
      context.beginPath();
      context.arc(place(x), y(i), i === chosen ? 5 : Math.min(2.5, high / 2), 0, 7);
      context.fill();
    });
  }
}

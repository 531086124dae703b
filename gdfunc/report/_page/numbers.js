"use strict";
// Numbers: from the page's text, and to words.

const FIRST = 5; // codes below it: not measured, NaN, +infinity, -infinity, zero; see _run_pack.py
const SPECIAL = [NaN, NaN, Infinity, -Infinity, 0];

async function inflated(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The numbers of `packed`, and where there is none. */
async function unpack(packed) {
  const bytes = await inflated(packed.codes);
  const count = bytes.length / 2;
  const values = new Float64Array(count);
  const missing = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const code = bytes[i] | (bytes[count + i] << 8);
    const magnitude = code & 0x7fff;
    missing[i] = magnitude === 0;
    const size = magnitude < FIRST ? SPECIAL[magnitude] : Math.exp(packed.lo + packed.level * (magnitude - FIRST));
    values[i] = code & 0x8000 ? -size : size;
  }
  return { values, missing };
}

/** A number a step and layer: at(step's index, layer) is a number, or null where there is none. */
async function asMatrix(packed, steps) {
  const { values, missing } = await unpack(packed);
  const layers = packed.shape[1];
  const nearest = nearestRows(packed.rows, steps);
  const place = (step, layer) => nearest[step] * layers + layer;
  return {
    layers,
    measuredAt: (step) => (packed.rows.length ? packed.rows[nearest[step]] : step),
    at: (step, layer) => (!packed.rows.length || missing[place(step, layer)] ? null : values[place(step, layer)]),
    all: () => Array.from(values).filter((_, i) => !missing[i]),
  };
}

/** For each step, which of the measured rows is nearest to it. */
function nearestRows(rows, steps) {
  let row = 0;
  return steps.map((step, i) => {
    const away = (r) => Math.abs(steps[rows[r]] - step);
    while (row + 1 < rows.length && away(row + 1) <= away(row)) row++;
    return row;
  });
}

/** The index of the value in rising `sorted` that is nearest to `x`. */
function nearestIndex(sorted, x) {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low > 0 && x - sorted[low - 1] <= sorted[low] - x ? low - 1 : low;
}

const asNumbers = (list) => list.map((x) => (x === null ? null : Number(x)));

function said(x) {
  if (x === null || x === undefined) return "not measured";
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "+∞" : "−∞";
  if (x === 0) return "0";
  const size = Math.abs(x);
  const text = size >= 1e-3 && size < 1e5 ? String(Number(x.toPrecision(3))) : x.toExponential(2);
  return text.replace("e+", "e").replaceAll("-", "−");
}

/** 1000 as 10³, for axes. */
function power(exponent) {
  return "10" + [...String(exponent)].map((letter) => (letter === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[letter])).join("");
}

"use strict";
// Curves over the steps.

/**
 * Draws what `curves()` gives into a canvas, and a line at the chosen step; returns where things lie, for the pointer.
 * Each curve has steps, values (null where there is none), stroke, width, dash. Where only the step is another, nothing
 * is drawn anew but the line.
 */
function drawCurves(canvas, curves, { log, height, unit }) {
  const { context, width } = fresh(canvas, height);
  const key = setting();
  if (canvas.kept?.key === key) context.drawImage(canvas.kept.picture, 0, 0, width, height);
  else {
    const drawn = paintCurves(context, curves(), { width, log, height, unit });
    const picture = document.createElement("canvas");
    [picture.width, picture.height] = [canvas.width, canvas.height];
    picture.getContext("2d").drawImage(canvas, 0, 0);
    canvas.kept = { key, drawn, picture };
  }
  const { box, over } = canvas.kept.drawn;
  const x = over(steps[chosen.step]);
  line(context, x, box.top, x, box.bottom, colour("--text"), 1, [3, 3]);
  return canvas.kept.drawn;
}

function paintCurves(context, curves, { width, log, height, unit }) {
  const box = { left: 62, right: width - 12, top: 12, bottom: height - 40 };
  const [low, high] = range(curves.flatMap((curve) => curve.values), log, false);
  const margin = log ? (high / low) ** 0.04 : (high - low) * 0.04;
  const up = log
    ? axis(low / margin, high * margin, box.bottom, box.top, true)
    : axis(low - margin, high + margin, box.bottom, box.top, false);
  const over = across(box.left, box.right);
  drawLeft(context, up, box);
  drawBelow(context, over, box, "step", false);
  line(context, box.left, box.bottom, box.right, box.bottom, colour("--line"));
  for (const curve of curves) drawCurve(context, curve, over, up, box);
  context.save();
  context.translate(9, (box.top + box.bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.textAlign = "center";
  context.fillStyle = colour("--muted");
  context.fillText(cut(context, unit, box.bottom - box.top + 24), 0, 0);
  context.restore();
  return { box, over, up, curves };
}

function drawCurve(context, { steps, values, stroke, width, dash }, over, up, box) {
  context.strokeStyle = context.fillStyle = stroke;
  context.lineWidth = width;
  context.lineJoin = "round";
  context.setLineDash(dash);
  context.beginPath();
  let pen = false;
  let alone = null;
  const bad = [];
  values.forEach((y, i) => {
    if (y === null || !over.holds(steps[i])) return; // not measured here: the line goes on to the next
    const x = over(steps[i]);
    if (!Number.isFinite(y)) bad.push(x);
    if (up.holds(y)) {
      context[pen ? "lineTo" : "moveTo"](x, up(y));
      alone = alone === null && !pen ? [x, up(y)] : false;
    }
    pen = up.holds(y);
  });
  context.stroke();
  context.setLineDash([]);
  if (alone) context.fillRect(alone[0] - 3, alone[1] - 3, 6, 6);
  // One where each stretch begins.
  for (const x of bad.filter((x, i) => i === 0 || x - bad[i - 1] > 6)) cross(context, x, box.top + 5);
}

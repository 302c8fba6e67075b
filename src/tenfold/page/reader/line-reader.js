// Rows of detections that the line recogniser reads as wholes.

import { CLASSES, isMark } from "./detection.js";
import { rescaled, total } from "./hypotheses.js";
import { cropped, plane, sample } from "./image.js";
import { clamp, largest, mean, median, rint, sum } from "./numbers.js";
import { shrunk } from "./resize.js";

const { abs, ceil, exp, floor, hypot, max, min } = Math;

export const CONFIG = {
  lineHeightPx: 32, // of a crop
  lineDigitPx: 20, // height of its digits
  lineWidthMultiplePx: 8,
  maxLineWidthPx: 384,
};

/** What rows of detections may say, with probabilities that count the recogniser's.
 *
 * @param readCrops see `openNetworks`. @param rows in the plane of bytes `grey`.
 * @param texts of each row [{text, probability}], the most probable first. @param config LineReaderConfig, as JSON.
 */
export async function weighTexts(readCrops, rows, texts, grey, config) {
  const ofWidth = new Map(); // nothing is widened: a row does not depend on others
  rows.forEach((row, i) => {
    const crop = row.length ? cropLine(grey, lineOf(row, config.crop)) : null;
    if (crop) ofWidth.set(crop.w, [...(ofWidth.get(crop.w) ?? []), { i, crop }]);
  });
  const weighed = [...texts];
  for (const same of ofWidth.values()) {
    const read = await readCrops(same.map(({ crop }) => crop));
    same.forEach(({ i }, k) => { weighed[i] = weigh(texts[i], read[k], config); });
  }
  return weighed;
}

function weigh(texts, steps, { length_weight, text_weight, floor: least, max_log_ratio, max_texts }) {
  const found = texts.map(({ text, probability }, i) =>
    least + (i < max_texts && probability > texts[0].probability * exp(-max_log_ratio) ? textProbability(steps, text) : 0));
  const ofLength = [];
  texts.forEach(({ text }, i) => { ofLength[text.length] = (ofLength[text.length] ?? 0) + found[i]; });
  return rescaled(texts.map((one, i) => {
    const length = ofLength[one.text.length];
    return { ...one, probability: one.probability * length ** length_weight * (found[i] / length) ** text_weight };
  }), total(texts));
}

/** The probability of a text, summed over all ways to emit it (Graves et al. 2006).
 *
 * @param steps log-probabilities of no character and of each character, step after step.
 */
function textProbability(steps, text) {
  const symbols = [0, ...[...text].flatMap((character) => [CLASSES.indexOf(character) + 1, 0])];
  let forward = symbols.map((_, i) => Number(i === 0));
  for (let start = 0; start < steps.length; start += CLASSES.length + 1) {
    forward = forward.map((value, i) => {
      const skips = i > 1 && symbols[i] && symbols[i] !== symbols[i - 2];
      return (value + (forward[i - 1] ?? 0) + (skips ? forward[i - 2] : 0)) * exp(steps[start + symbols[i]]);
    });
  }
  return sum(forward.slice(-2));
}

/** Where a row lies: its middle, the height of its digits, how far it reaches from its middle, its slope. */
function lineOf(row, config) {
  const withoutMarks = row.filter((one) => !isMark(one));
  const digits = (withoutMarks.length ? withoutMarks : row).map(({ box }) => box);
  const heights = digits.map((box) => box[3]);
  const height = max(median(heights), config.least_height * largest(heights), 1);
  const first = min(...row.map(({ box: [x, , w] }) => x - w / 2));
  const last = max(...row.map(({ box: [x, , w] }) => x + w / 2));
  const slope = digits.length >= config.digits_of_slope && last - first > config.length_of_slope * height
    ? clamp(slopeOf(digits), -config.max_slope, config.max_slope) : 0;
  const x = (first + last) / 2;
  const y = median(digits.map((box) => box[1] + slope * (x - box[0])));
  return { x, y, height, reach: ((last - first) / 2) * hypot(1, slope) + config.margin * height, slope };
}

function slopeOf(boxes) {
  const [x, y] = [0, 1].map((axis) => mean(boxes.map((box) => box[axis])));
  return sum(boxes.map((box) => (box[0] - x) * (box[1] - y))) / max(sum(boxes.map((box) => (box[0] - x) ** 2)), 1e-6);
}

/** The square around a digit: 32 x 32 bytes, in which it is 20 pixels high. */
export function cropBox(grey, [x, y, , h]) {
  const [height, w] = [max(h, 1), CONFIG.lineHeightPx];
  return cropLine(grey, { x, y, height, reach: (height * w) / CONFIG.lineDigitPx / 2, slope: 0 }, w);
}

/** A line of a plane of bytes, level and of one height; null if it is too long. */
function cropLine(grey, { x, y, height, reach, slope }, width) {
  const scale = CONFIG.lineDigitPx / height;
  const w = width ?? ceil((2 * reach * scale) / CONFIG.lineWidthMultiplePx) * CONFIG.lineWidthMultiplePx;
  if (!(w > 0 && w <= CONFIG.maxLineWidthPx)) return null;
  const cos = 1 / hypot(1, slope);
  const turned = (along, down) => [cos * (along - slope * down), cos * (slope * along + down)];
  const half = CONFIG.lineHeightPx / 2 / scale;
  const [across, down] = turned(reach, half).map((_, axis) =>
    max(abs(turned(reach, half)[axis]), abs(turned(reach, -half)[axis])));
  const [left, right] = limits(x, across, grey.w);
  const [top, bottom] = limits(y, down, grey.h);
  const whole = cropped(grey, top, left, bottom, right);
  const [partW, partH] = [whole.w, whole.h].map((side) => max(1, rint(side * min(scale, 1))));
  const part = partW === whole.w && partH === whole.h ? whole : shrunk(whole, partW, partH);
  const crop = plane(w, CONFIG.lineHeightPx, new Uint8Array(w * CONFIG.lineHeightPx));
  for (let v = 0, at = 0; v < crop.h; v++) {
    for (let u = 0; u < w; u++, at++) {
      const [dx, dy] = turned((u + 0.5) / scale - reach, (v + 0.5) / scale - half);
      crop.data[at] = sample(part, ((x + dx - left) * partW) / whole.w - 0.5, ((y + dy - top) * partH) / whole.h - 0.5);
    }
  }
  return crop;
}

/** The pixels around a middle, of a side of so many. */
function limits(middle, reach, side) {
  const first = clamp(floor(middle - reach) - 2, 0, side - 1);
  return [first, clamp(ceil(middle + reach) + 2, first + 1, side)];
}

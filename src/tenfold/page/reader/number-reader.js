// From a picture to its numbers: detection, grouping, hypotheses.

import { classifyDetections } from "./classification.js";
import { weighMarks } from "./column-marks.js";
import { boxInPicture } from "./components.js";
import { CLASSES, detectDigits, DIGITS, isMark } from "./detection.js";
import { hypotheses, total } from "./hypotheses.js";
import { cropped, plane } from "./image.js";
import { weighTexts } from "./line-reader.js";
import { groupNumbers } from "./lines.js";
import { mean } from "./numbers.js";

const { exp, log, max, min } = Math;

export const CONFIG = {
  maxDetections: 4000, // of a picture
  maxHypotheses: 30, // of a number
  maxConstrainedHypotheses: 2000, // among them may be one that the constraints allow
  alternatives: 5, // of a number, at most
};
const isDigit = (character) => character >= "0" && character <= "9";

// What a number may be.
export const anyNumber = {};
export const oneDigit = { digitsOnly: true, allows: (text) => !text || [...text].filter(isDigit).length === 1 };

/** Read the numbers of a picture {w, h, channels, data}: {found, numbers}, the detections first.
 *
 * @param networks see `openNetworks`. @param config tenfold's NumberReaderConfig, as JSON.
 */
export async function readNumbers(picture, networks, config) {
  const grey = toGrey(picture);
  const found = await classified(await detectDigits(networks.detect, grey, config.pyramid), grey, networks, config);
  const numbers = (await numbersOf(groupNumbers(found, config.grouping), grey, networks, config, anyNumber)).filter(Boolean);
  return { found, numbers: numbers.filter((one) => !numbers.some((other) => isPart(one, other, config.part_height))) };
}

/** Let the classifiers take part in which digits were found. */
export function classified(found, grey, networks, { classification }) {
  if (found.length > CONFIG.maxDetections) throw new Error(`more than ${CONFIG.maxDetections} digits: crop the picture to its numbers`);
  return classifyDetections(networks, found, grey, classification);
}

/** Whether a number lies in the box of an accepted one and is much lower: a part of its strokes. */
function isPart({ box: [left, top, right, bottom] }, { box: around, accepted }, partHeight) {
  return accepted && bottom - top < partHeight * (around[3] - around[1])
    && around[0] <= left && around[1] <= top && right <= around[2] && bottom <= around[3];
}

/** The most probable number of each row of detections, from left to right; null if that is nothing.
 *
 * @param constraints `anyNumber` or `oneDigit`. @param columns of a table, in which the rows stand.
 */
export async function numbersOf(rows, grey, { readCrops }, config, constraints, columns) {
  const { digitsOnly, allows } = constraints;
  const members = rows.map((row) => (digitsOnly ? row.filter((one) => !isMark(one)) : row));
  const limit = allows ? CONFIG.maxConstrainedHypotheses : CONFIG.maxHypotheses;
  const tried = members.map((row) => byText(hypotheses(row, config.suppression), limit));
  const texts = readCrops ? await weighTexts(readCrops, members, tried, grey, config.lines) : tried;
  const weighed = columns && !digitsOnly ? weighMarks(texts, columns, config.columns) : texts;
  return weighed.map((all) => numberOf(fitting(all, allows, config), grey, config));
}

function numberOf({ ranked, misfit }, grey, config) {
  const [best] = ranked;
  if (![...best.text].some(isDigit)) return null;
  const probability = calibrated(best.probability, config.calibration);
  const digits = digitsOf(best, grey);
  const shown = digits.map(({ probability: p, digit }) => (p >= config.min_digit_probability ? digit : "?"));
  const reason = misfit ?? (probability >= config.min_probability ? null : "unsure");
  return {
    text: [...best.text].map((character) => (isDigit(character) ? shown.shift() : character)).join(""),
    box: union(digits.map(({ box }) => box)),
    probability,
    alternatives: ranked.slice(1, CONFIG.alternatives + 1)
      .map((one) => [one.text, calibrated(one.probability, config.calibration)]),
    accepted: !reason,
    reason,
    printed: mean(digits.map((digit) => digit.printed)),
    row: null,
    column: null,
    digits,
  };
}

/** What the constraints allow, with its share of the probability of all that is. */
function fitting(tried, allows, config) {
  if (!allows) return { ranked: tried, misfit: null };
  const allowed = tried.filter(({ text }) => allows(text));
  const possible = total(allowed);
  if (!(possible > 0 && possible >= config.min_fitting_probability * total(tried))) {
    return { ranked: tried, misfit: "does not fit" };
  }
  return { ranked: allowed.map((one) => ({ ...one, probability: one.probability / possible })), misfit: null };
}

/** The calibrated probability of a number, given slope and intercept of the logit. */
export function calibrated(probability, [slope, intercept]) {
  const p = min(max(probability, 1e-9), 1 - 1e-9);
  return 1 / (1 + exp(-(slope * log(p / (1 - p)) + intercept)));
}

/** Add up the hypotheses of each text; the most probable text comes first. */
function byText(found, limit) {
  const texts = new Map();
  let count = 0;
  for (const { text, cost, members } of found) {
    if (!texts.has(text)) texts.set(text, { text, members, probability: 0 });
    texts.get(text).probability += exp(-cost);
    if (++count === limit) break;
  }
  return [...texts.values()].sort((a, b) => b.probability - a.probability);
}

/** A plane of grey levels, as OpenCV weighs the colours. */
export function toGrey({ w, h, channels, data }) {
  if (channels === 1) return plane(w, h, data);
  const grey = plane(w, h, new Uint8Array(w * h));
  for (let i = 0, j = 0; i < grey.data.length; i++, j += 3) {
    grey.data[i] = (data[j] * 9798 + data[j + 1] * 19235 + data[j + 2] * 3735 + (1 << 14)) >> 15;
  }
  return grey;
}

function digitsOf({ text, members }, grey) {
  return members.flatMap(({ objectness, classes, box: place, printed }, i) => {
    if (!isDigit(text[i])) return [];
    const probabilities = Array.from(classes.slice(0, DIGITS), (p) => objectness * p);
    const digit = CLASSES.indexOf(text[i]);
    const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
    const box = boxInPicture(place, grey);
    const [left, top, right, bottom] = box;
    return [{
      digit, probability: probabilities[digit], probabilities, box, printed,
      runner_up: order.find((other) => other !== digit),
      image: cropped(grey, top, left, bottom, right),
    }];
  });
}

function union(boxes) {
  return [0, 1, 2, 3].map((side) => (side < 2 ? min : max)(...boxes.map((box) => box[side])));
}

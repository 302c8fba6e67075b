// A picture that is one digit: the digit is found, normalised as MNIST's are, and classified.

import { judgeSingle } from "./classification.js";
import { downscale, findForeground } from "./foreground.js";
import { isolateDigit } from "./isolation.js";
import { foregroundBox, normalizeDigit } from "./normalization.js";

const { ceil, min, trunc } = Math;

// A reading is "unsure", not "not a digit", if two digits have more of the probability than this.
const MIN_PROBABILITY_OF_TWO = 0.8;

/** Read the one digit of a picture {w, h, channels, data}: a list of one number; none if it is blank.
 *
 * @param networks see `openNetworks`. @param model model.json.
 */
export async function readSingle(picture, networks, model) {
  const found = findDigit(picture);
  if (!found) return [];
  const { box, image } = found;
  const [alone] = await networks.classify([image]);
  const probabilities = model.single ? await judgeSingle(alone, image, networks.classifyCrops, model.single) : alone;
  const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  const [digit, runnerUp] = order;
  const [first, second] = [probabilities[digit], probabilities[runnerUp]];
  const accepted = first >= model.rejection_threshold;
  const unsure = first + second > MIN_PROBABILITY_OF_TWO;
  return [{
    text: accepted ? String(digit) : "?",
    box,
    probability: first,
    alternatives: order.slice(1, 6).map((other) => [String(other), probabilities[other]]),
    accepted,
    reason: accepted ? null : unsure ? "unsure" : "not a digit",
    printed: null,
    row: null,
    column: null,
    digits: [{ digit, probability: first, probabilities, box, runner_up: runnerUp, image }],
  }];
}

/** Find the one digit of a picture: {box, image}, a plane of 28 x 28 bytes; null if it is blank. */
export function findDigit(picture) {
  const [small, factor] = downscale(picture);
  const foreground = isolateDigit(findForeground(small));
  const [top, left, bottom, right] = foregroundBox(foreground);
  if (!bottom) return null;
  const box = scaleBox([left, top, right, bottom], 1 / factor, picture);
  return { box, image: normalizeDigit(foreground) };
}

/** Scale a box about the origin, outwards to whole pixels, and clip it to the picture. */
export function scaleBox([left, top, right, bottom], factor, { w, h }) {
  return [
    trunc(left * factor), trunc(top * factor),
    min(w, ceil(right * factor)), min(h, ceil(bottom * factor)),
  ];
}

// Any picture in, digits out: the same steps as tenfold's Reader, with the same answers.

import { downscale, stretchLevels, subtractBackground } from "./foreground.js";
import { isolateDigit } from "./isolation.js";
import { findLines, removeLines } from "./line-removal.js";
import { foregroundBox, normalizeDigit, SIDE } from "./normalization.js";
import { segmentDigits } from "./segmentation.js";

export const CONFIG = {
  // A reading is "unsure", not "not a digit", if two digits have more of the probability than this.
  minProbabilityOfTwo: 0.8,
  // A split is taken if its least probable digit is by more than this more probable than the whole.
  minGainOfSplit: 0.1,
};
const MIDDLE_GREY = 127;
const MIN_OPAQUE_WITH_OWN_PAPER = 0.9; // share of pixels

/** Read a picture.
 *
 * @param picture {w, h, channels, data}: bytes, grey (1 channel) or RGB (3).
 * @param layout "line": any number of digits, in lines; "single": the picture is one digit.
 * @param model {rejectionThreshold, classify}: less probable readings are rejected; `classify`
 *   takes n images of 784 bytes in one Uint8Array and gives {probabilities, members}: n lists.
 * @returns readings in reading order, as the service gives them; `image` is a Uint8Array.
 */
export async function read(picture, layout, { rejectionThreshold, classify }) {
  const regions = findDigits(picture, layout);
  const crops = regions.flat(2);
  if (!crops.length) return [];
  const images = new Uint8Array(crops.length * SIDE * SIDE);
  crops.forEach(({ image }, i) => images.set(image, i * SIDE * SIDE));
  const { probabilities, members } = await classify(images, crops.length);
  const readings = crops.map((crop, i) =>
    reading(crop, probabilities[i], members[i], rejectionThreshold));
  let next = 0;
  return regions
    .flatMap((region) => bestCandidate(region.map((split) => split.map(() => readings[next++]))))
    .map((one, index) => ({ index, ...one }));
}

/** Pixels without transparency: it becomes white, or black if the opaque pixels are mostly light. */
export function opaquePixels({ width: w, height: h, data: rgba }) {
  let [opaque, light, clear, colour] = [0, 0, false, false];
  for (let i = 0; i < rgba.length; i += 4) {
    if (rgba[i + 3] < 255) clear = true;
    if (rgba[i] !== rgba[i + 1] || rgba[i] !== rgba[i + 2]) colour = true;
    if (rgba[i + 3] > MIDDLE_GREY) {
      opaque++;
      light += rgba[i] + rgba[i + 1] + rgba[i + 2];
    }
  }
  // A picture that is opaque nearly everywhere brings its own paper.
  const ownPaper = opaque / (w * h) >= MIN_OPAQUE_WITH_OWN_PAPER;
  const dark = clear && opaque && !ownPaper && light / (3 * opaque) > MIDDLE_GREY;
  const channels = colour ? 3 : 1;
  const data = new Uint8Array(w * h * channels);
  for (let i = 0, j = 0; i < rgba.length; i += 4) {
    const alpha = rgba[i + 3] / 255;
    const paper = (dark ? 0 : 255) * (1 - alpha);
    for (let c = 0; c < channels; c++) data[j++] = Math.round(rgba[i + c] * alpha + paper);
  }
  return { w, h, channels, data };
}

function findDigits(picture, layout) {
  const [small, factor] = downscale(picture);
  const stretched = stretchLevels(subtractBackground(small));
  const foreground = removeLines(stretched, findLines(stretched));
  const crop = (digit, box) =>
    ({ image: normalizeDigit(digit), box: box && scaleBox(box, 1 / factor, picture) });
  if (layout === "line") {
    return segmentDigits(foreground).map((candidates) =>
      candidates.map((split) => split.map((one) => crop(one.foreground, one.box))));
  }
  const digit = isolateDigit(foreground);
  const [top, left, bottom, right] = foregroundBox(digit);
  return [[[crop(digit, bottom ? [left, top, right, bottom] : null)]]];
}

function reading({ image, box }, probabilities, members, rejectionThreshold) {
  const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  const [first, second] = order.map((digit) => probabilities[digit]);
  let reason = null;
  if (!image.some(Boolean)) reason = "blank";
  else if (first < rejectionThreshold) {
    reason = first + second > CONFIG.minProbabilityOfTwo ? "unsure" : "not a digit";
  }
  return {
    box, digit: order[0], probability: first, runner_up: order[1],
    rejected: reason !== null, reason, probabilities, members, image,
  };
}

/** Choose a split by its least probable digit; the whole region if that is about as good. */
function bestCandidate(splits) {
  const cost = (split) =>
    CONFIG.minGainOfSplit * (split.length > 1) - Math.min(...split.map((r) => r.probability));
  return splits.reduce((best, split) => (cost(split) < cost(best) ? split : best));
}

/** Scale a box about the origin, outwards to whole pixels, and clip it to the picture. */
function scaleBox([left, top, right, bottom], factor, { w, h }) {
  return [
    Math.trunc(left * factor), Math.trunc(top * factor),
    Math.min(w, Math.ceil(right * factor)), Math.min(h, Math.ceil(bottom * factor)),
  ];
}

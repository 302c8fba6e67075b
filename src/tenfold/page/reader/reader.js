// Any picture in, digits out: the same steps as tenfold's Reader, with the same answers.

import { inkBox, SIDE, toForm } from "./form.js";
import { contrast, fit, levels, WORKING_SIDE } from "./ink.js";
import { lines, without } from "./lines.js";
import { digitsOf, oneDigit } from "./segment.js";

const TWO = 0.8; // of the probability on two digits: it is one of them, but which
const CUT = 0.1; // by so much must the parts of a piece be more probable than the whole
const OPAQUE = 127; // of alpha: above it

/** Read a picture.
 *
 * @param picture {w, h, channels, data}: bytes, grey (1 channel) or RGB (3).
 * @param layout "line": any number of digits, in lines; "single": the picture is one digit.
 * @param model {accept, classify}: readings less probable than `accept` are rejected; `classify`
 *   takes n images of 784 bytes in one Uint8Array and gives {probabilities, members}: n lists.
 * @returns readings in reading order, as the service gives them; `image` is a Uint8Array.
 */
export async function read(picture, layout, { accept, classify }) {
  const slots = findDigits(picture, layout);
  const found = slots.flat(2);
  if (!found.length) return [];
  const images = new Uint8Array(found.length * SIDE * SIDE);
  found.forEach(({ image }, i) => images.set(image, i * SIDE * SIDE));
  const { probabilities, members } = await classify(images, found.length);
  const readings = found.map((digit, i) => reading(digit, probabilities[i], members[i], accept));
  let next = 0;
  return slots
    .flatMap((slot) => likeliest(slot.map((way) => way.map(() => readings[next++]))))
    .map((one, index) => ({ index, ...one }));
}

/** Pixels without transparency: laid on white, or on black if what is opaque is mostly light. */
export function opaquePixels({ width: w, height: h, data: rgba }) {
  let [opaque, light, clear, colour] = [0, 0, false, false];
  for (let i = 0; i < rgba.length; i += 4) {
    if (rgba[i + 3] < 255) clear = true;
    if (rgba[i] !== rgba[i + 1] || rgba[i] !== rgba[i + 2]) colour = true;
    if (rgba[i + 3] > OPAQUE) {
      opaque++;
      light += rgba[i] + rgba[i + 1] + rgba[i + 2];
    }
  }
  // A picture that is opaque nearly everywhere brings its own paper.
  const dark = clear && opaque && light / (3 * opaque) > OPAQUE && opaque / (w * h) < 0.9;
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
  const [small, factor] = fit(picture, WORKING_SIDE, picture.channels);
  const levelled = levels(contrast(small));
  const ink = without(levelled, lines(levelled));
  const digit = (own, box) => ({ image: toForm(own), box: box && scaled(box, 1 / factor, picture) });
  if (layout === "line") {
    return digitsOf(ink).map((ways) => ways.map((way) => way.map((cut) => digit(cut.ink, cut.box))));
  }
  const own = oneDigit(ink);
  const [top, left, bottom, right] = inkBox(own);
  return [[[digit(own, bottom ? [left, top, right, bottom] : null)]]];
}

function reading({ image, box }, probabilities, members, accept) {
  const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  const [first, second] = order.map((digit) => probabilities[digit]);
  let reason = null;
  if (!image.some(Boolean)) reason = "blank";
  else if (first < accept) reason = first + second > TWO ? "unsure" : "not a digit";
  return {
    box, digit: order[0], probability: first, runner_up: order[1],
    rejected: reason !== null, reason, probabilities, members, image,
  };
}

/** How a piece of ink is cut: by its least probable digit, whole if that is as good. */
function likeliest(ways) {
  const doubt = (way) => CUT * (way.length > 1) - Math.min(...way.map((r) => r.probability));
  return ways.reduce((best, way) => (doubt(way) < doubt(best) ? way : best));
}

/** Scale a box about the origin, outwards to whole pixels, and keep it in the picture. */
function scaled([left, top, right, bottom], factor, { w, h }) {
  return [
    Math.trunc(left * factor), Math.trunc(top * factor),
    Math.min(w, Math.ceil(right * factor)), Math.min(h, Math.ceil(bottom * factor)),
  ];
}

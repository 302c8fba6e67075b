// Two classifiers take part in deciding which digits the detector has found.

import { boxInPicture } from "./components.js";
import { DIGITS } from "./detection.js";
import { downscale, findForeground } from "./foreground.js";
import { cropped } from "./image.js";
import { isolateDigit } from "./isolation.js";
import { cropBox } from "./line-reader.js";
import { normalizeDigit } from "./normalization.js";
import { sum } from "./numbers.js";

const { max } = Math;

const UNKNOWN = Array(DIGITS).fill(1 / DIGITS); // what is blank

/** Combine the detector's probabilities of the ten digits with those of the classifiers.
 *
 * Each counts to the power of its weight. The classifiers are not asked about a sure digit, but taken to agree. A
 * mark stays as it is.
 *
 * @param networks see `openNetworks`.
 * @param found detections in the plane of bytes `grey`. @param config ClassificationConfig, as JSON.
 */
export async function classifyDetections({ classifyDetected, classifyCrops }, found, grey, config) {
  const doubtful = found.filter(({ classes }) => isDigit(classes, config) && !isSure(classes, config));
  const images = doubtful.map(({ box }) => normalized(box, grey, config));
  const alone = (await classifyDetected(images)).map((row, i) => (images[i].data.some(Boolean) ? row : UNKNOWN));
  const ofCrops = classifyCrops ? await classifyCrops(doubtful.map(({ box }) => cropBox(grey, box)))
    : doubtful.map(({ classes }) => classes.map((p) => p / share(classes)));
  return found.map((one) => {
    if (!isDigit(one.classes, config)) return one;
    const digits = one.classes.slice(0, DIGITS);
    const place = doubtful.indexOf(one);
    const agreed = digits.map((p) => Number(p === max(...digits)));
    const [ofCrop, ofSingle] = place < 0 ? [agreed, agreed] : [ofCrops[place], alone[place]];
    const products = digits.map((p, digit) => p ** config.detector_weight
      * (ofCrop[digit] + config.floor) ** config.crop_weight * (ofSingle[digit] + config.floor) ** config.digit_weight);
    const scale = sum(digits) / sum(products);
    return { ...one, classes: [...products.map((p) => p * scale), ...one.classes.slice(DIGITS)] };
  });
}

const share = (classes) => sum(classes.slice(0, DIGITS));
const isDigit = (classes, config) => share(classes) >= config.min_digit_probability;
const isSure = (classes, config) => max(...classes.slice(0, DIGITS)) >= config.sure_probability * share(classes);

/** The digit in a box as MNIST has it; 0 where there is nothing. */
function normalized([x, y, w, h], grey, config) {
  const [beside, above] = config.margin.map((part) => 2 * part * max(w, h));
  const [left, top, right, bottom] = boxInPicture([x, y, w + beside, h + above], grey);
  const [small] = downscale({ ...cropped(grey, top, left, bottom, right), channels: 1 }, config.max_side_px);
  return normalizeDigit(isolateDigit(findForeground(small)));
}

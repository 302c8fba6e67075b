// The classifier of single digits takes part in deciding which digits the detector has found.

import { boxInPicture } from "./components.js";
import { DIGITS } from "./detection.js";
import { downscale, findForeground } from "./foreground.js";
import { cropped } from "./image.js";
import { isolateDigit } from "./isolation.js";
import { normalizeDigit } from "./normalization.js";
import { sum } from "./numbers.js";

const { max } = Math;

/** Combine the detector's probabilities of the ten digits with the classifier's.
 *
 * p(digit) is proportional to pDetector(digit) (pClassifier(digit) + floor) ^ weight. The classifier is not asked
 * about a sure digit, but taken to agree. A mark, or what is blank, stays as it is.
 *
 * @param classify gives the probabilities of each of some images of 784 bytes.
 * @param found detections in the plane of bytes `grey`. @param config ClassificationConfig, as JSON.
 */
export async function classifyDetections(classify, found, grey, config) {
  const opinions = new Map();
  const images = new Map();
  for (const one of found) {
    const digits = one.classes.slice(0, DIGITS);
    const [best, share] = [max(...digits), sum(digits)];
    if (share < config.min_digit_probability) continue;
    if (best >= config.sure_probability * share) {
      opinions.set(one, digits.map((p) => Number(p === best)));
    } else {
      const image = cropDetection(one.box, grey, config);
      if (image.some(Boolean)) images.set(one, image);
    }
  }
  const rows = await classify([...images.values()]);
  [...images.keys()].forEach((one, i) => opinions.set(one, rows[i]));
  return found.map((one) => (opinions.has(one) ? withOpinion(one, opinions.get(one), config) : one));
}

function withOpinion(detection, opinion, { floor, weight }) {
  const digits = detection.classes.slice(0, DIGITS);
  const products = digits.map((p, digit) => p * (opinion[digit] + floor) ** weight);
  const scale = sum(digits) / sum(products);
  return { ...detection, classes: [...products.map((p) => p * scale), ...detection.classes.slice(DIGITS)] };
}

/** The digit in a box as MNIST has it, 784 bytes; 0 where there is nothing. */
function cropDetection([x, y, w, h], grey, config) {
  const [beside, above] = config.margin.map((share) => 2 * share * max(w, h));
  const [left, top, right, bottom] = boxInPicture([x, y, w + beside, h + above], grey);
  const [small] = downscale({ ...cropped(grey, top, left, bottom, right), channels: 1 }, config.max_side_px);
  return normalizeDigit(isolateDigit(findForeground(small)));
}

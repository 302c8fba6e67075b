// The classifier of single digits takes part in deciding which digits the detector has found.

import { boxInPicture } from "./components.js";
import { DIGITS } from "./detection.js";
import { downscale, findForeground } from "./foreground.js";
import { cropped } from "./image.js";
import { isolateDigit } from "./isolation.js";
import { normalizeDigit } from "./normalization.js";

const { max } = Math;

const total = (values) => values.reduce((sum, value) => sum + value, 0);

/** Combine the detector's probabilities of the ten digits with the classifier's.
 *
 * p(digit) is proportional to pDetector(digit) (pClassifier(digit) + floor) ^ weight. What is more
 * probably a mark, or is blank, stays as it is.
 *
 * @param classify gives the probabilities of each of some images of 784 bytes.
 * @param found detections in the plane of bytes `grey`. @param config ClassificationConfig, as JSON.
 */
export async function classifyDetections(classify, found, grey, config) {
  const digits = found.filter(({ classes }) => total(classes.slice(0, DIGITS)) >= config.min_digit_probability)
    .map((one) => ({ one, image: cropDetection(one.box, grey, config) }))
    .filter(({ image }) => image.some(Boolean));
  if (!digits.length) return found;
  const rows = await classify(digits.map(({ image }) => image));
  const combined = new Map(digits.map(({ one }, i) => [one, withClassifier(one, rows[i], config)]));
  return found.map((one) => combined.get(one) ?? one);
}

function withClassifier(detection, probabilities, { floor, weight }) {
  const digits = detection.classes.slice(0, DIGITS);
  const products = digits.map((p, digit) => p * (probabilities[digit] + floor) ** weight);
  const scale = total(digits) / total(products);
  return { ...detection, classes: [...products.map((p) => p * scale), ...detection.classes.slice(DIGITS)] };
}

/** The digit in a box as MNIST has it, 784 bytes; 0 where there is nothing. */
function cropDetection([x, y, w, h], grey, config) {
  const [beside, above] = config.margin.map((share) => 2 * share * max(w, h));
  const [left, top, right, bottom] = boxInPicture([x, y, w + beside, h + above], grey);
  const [small] = downscale({ ...cropped(grey, top, left, bottom, right), channels: 1 }, config.max_side_px);
  return normalizeDigit(isolateDigit(findForeground(small)));
}

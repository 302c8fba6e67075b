// Several networks judge the same digit: their probabilities are combined.

import { boxInPicture } from "./components.js";
import { DIGITS } from "./detection.js";
import { downscale, findForeground } from "./foreground.js";
import { bordered, cropped } from "./image.js";
import { isolateDigit } from "./isolation.js";
import { cropBox } from "./line-reader.js";
import { normalizeDigit } from "./normalization.js";
import { sum } from "./numbers.js";

const { max } = Math;

const UNKNOWN = Array(DIGITS).fill(1 / DIGITS); // what is blank

/** Combine the probabilities of a picture of one digit with the crop classifier's, unless they are sure.
 *
 * @param image plane of 28 x 28 bytes. @param config SingleDigitConfig, as JSON.
 */
export async function judgeSingle(probabilities, image, classifyCrops, config) {
  if (max(...probabilities) >= config.sure_probability) return probabilities;
  const crop = bordered(image, 2, 2, 2, 2);
  const [ofCrop] = await classifyCrops([{ ...crop, data: crop.data.map((level) => 255 - level) }]);
  const exists = existence(ofCrop, config);
  return combined(config.floor, [probabilities, config.digit_weight], [ofCrop, config.crop_weight]).map((p) => p * exists);
}

/** Combine the detector's probabilities of the ten digits with the classifiers'; see classification.py.
 *
 * @param found detections in the plane of bytes `grey`. @param config ClassificationConfig, as JSON.
 */
export async function classifyDetections({ classifyDetected, classifyCrops }, found, grey, config) {
  const isDigit = ({ classes }) => share(classes) >= config.min_digit_probability;
  const doubtful = found.filter((one) => isDigit(one) && max(...ofDigits(one)) < config.sure_probability);
  const images = doubtful.map(({ box }) => normalized(box, grey, config));
  const ofSingles = (await classifyDetected(images)).map((row, i) => (images[i].data.some(Boolean) ? row : UNKNOWN));
  const ofCrops = classifyCrops ? await classifyCrops(doubtful.map(({ box }) => cropBox(grey, box))) : [];
  return found.map((one) => {
    if (!isDigit(one)) return one;
    const own = ofDigits(one), place = doubtful.indexOf(one);
    const ofCrop = ofCrops[place] ?? [...own, 0], ofSingle = ofSingles[place] ?? own;
    const digits = combined(config.floor, [own, config.detector_weight], [ofCrop, config.crop_weight], [ofSingle, config.digit_weight]);
    return {
      ...one,
      objectness: one.objectness * existence(ofCrop, config),
      classes: [...digits.map((p) => p * share(one.classes)), ...one.classes.slice(DIGITS)],
    };
  });
}

/** The product of probabilities of the digits, each with its exponent, rescaled to 1; all but the first with a floor. */
function combined(floor, [first, weight], ...others) {
  const products = first.map((p, digit) =>
    others.reduce((product, [ps, power]) => product * (ps[digit] + floor) ** power, p ** weight));
  const all = sum(products);
  return products.map((p) => p / all);
}

const existence = (ofCrop, config) => max(1 - ofCrop[DIGITS], config.floor) ** config.objectness_weight;
const share = (classes) => sum(classes.slice(0, DIGITS));
const ofDigits = ({ classes }) => classes.slice(0, DIGITS).map((p) => p / share(classes));

/** The digit in a box as MNIST has it; 0 where there is nothing. */
function normalized([x, y, w, h], grey, config) {
  const [beside, above] = config.margin.map((part) => 2 * part * max(w, h));
  const [left, top, right, bottom] = boxInPicture([x, y, w + beside, h + above], grey);
  const [small] = downscale({ ...cropped(grey, top, left, bottom, right), channels: 1 }, config.max_side_px);
  return normalizeDigit(isolateDigit(findForeground(small)));
}

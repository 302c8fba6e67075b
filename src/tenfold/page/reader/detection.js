// Detection of digits of any size: a picture is looked at in several sizes.
//
// A detection is {objectness, classes, box, printed}: classes are probabilities in the order of
// CLASSES, a box is centre x, centre y, width, height, printed is the probability that it is not
// handwritten. A region is left, top, right, bottom.

import { connectedComponents } from "./components.js";
import { cropped, dilated, emptyMask, plane } from "./image.js";
import { argmax, rint, sum } from "./numbers.js";
import { resized } from "./resize.js";
import { suppress } from "./suppression.js";

const { floor, fround, log2, max, min, sqrt, trunc } = Math;

export const CLASSES = "0123456789.-/:";
export const DIGITS = 10; // the first classes; the others are marks

/** Whether a detection is a mark: a point, a minus sign and the like. */
export const isMark = ({ classes }) => argmax(classes) >= DIGITS;

/** Find digits and marks in a plane of bytes, the most certain first; each is given once.
 *
 * @param detect gives a plane's detections above an objectness. @param config of the pyramid.
 */
export async function detectDigits(detect, grey, config) {
  const sizes = scales(grey, config);
  const looks = [];
  let small = grey;
  let before = 1;
  for (const scale of sizes) {
    small = resized(small, scale / before); // from the size before: there is less to read
    looks.push(await detectAt(detect, small, scale, config));
    before = scale;
  }
  let [scale] = sizes;
  let [last] = looks;
  for (;;) {
    const regions = smallRegions(last, scale, grey, config);
    const area = sum(regions.map(([left, top, right, bottom]) => (right - left) * (bottom - top)));
    const larger = min(2 * scale, config.max_enlargement, sqrt(config.max_pixels / area));
    if (!regions.length || larger < config.min_gain * scale) break;
    scale = larger;
    last = [];
    for (const region of regions) {
      const [left, top, right, bottom] = region;
      const part = resized(cropped(grey, top, left, bottom, right), scale);
      const seen = await detectAt(detect, part, scale, config, region);
      last.push(...seen.filter(({ box }) => !isCut(box, region, grey)));
    }
    looks.push(last);
  }
  return suppress(looks.flat(), config.merging);
}

/** The sizes in which a whole picture is looked at, as factors, each half of the one before.
 *
 * In the smallest one a digit that is as high as the picture is not too large.
 */
export function scales({ w, h }, config) {
  const margins = 2 * config.margin_px;
  let scale = 1;
  while ((max(1, h * scale) + margins) * (max(1, w * scale) + margins) > config.max_pixels) {
    scale *= config.scale_step;
  }
  const found = [scale];
  while (h * scale > config.large_height_px) found.push((scale /= 2));
  return found;
}

/** The regions of a picture in which digits are small at a scale; all of a low one without any. */
function smallRegions(found, scale, { w, h }, config) {
  if (!found.length) return h * scale < config.low_height_px ? [[0, 0, w, h]] : [];
  const small = found.filter((one) => !isMark(one) && one.box[3] * scale < config.small_height_px);
  const cell = max(1, rint(config.small_height_px / scale)); // as large as a small digit
  const near = emptyMask(floor(w / cell) + 1, floor(h / cell) + 1);
  for (const { box } of small) {
    const [x, y] = [trunc(box[0] / cell), trunc(box[1] / cell)];
    near.data[min(max(y, 0), near.h - 1) * near.w + min(max(x, 0), near.w - 1)] = 1;
  }
  return connectedComponents(dilated(near, 5, 3)).components.slice(1).map(({ box }) =>
    [box[0] * cell, box[1] * cell, min(w, box[2] * cell), min(h, box[3] * cell)]);
}

/** Look at a region in one size. Detections have `rank`: of those of one object the highest stays. */
async function detectAt(detect, small, scale, config, [left, top] = [0, 0]) {
  const margin = config.margin_px;
  const found = await detect(withMargin(small, margin), config.min_objectness);
  const [low, high] = config.digit_heights_px;
  return found.flatMap(({ objectness, classes, box, printed }) => {
    const height = max(box[2], box[3]);
    const mark = sum(classes.slice(DIGITS)) > 0.5;
    const [x, y, width, tall] = box.map((value) => value / scale);
    const inPicture = [x + left - margin / scale, y + top - margin / scale, width, tall].map(fround);
    if (height >= high || (height < low && !mark)) return [];
    const octaves = log2(height / (mark ? config.preferred_mark_px : config.preferred_height_px));
    const rank = objectness * Math.exp(-0.5 * (octaves / config.height_tolerance) ** 2);
    return [{ objectness, classes, box: inPicture, printed, rank }];
  });
}

/** Put a margin around a plane, as light as most of its edge: a digit there stays whole. */
export function withMargin(p, margin) {
  const { w, h, data } = p;
  const edge = [];
  for (let x = 0; x < w; x++) edge.push(data[x], data[(h - 1) * w + x]);
  for (let y = 0; y < h; y++) edge.push(data[y * w], data[y * w + w - 1]);
  const level = edge.sort((a, b) => a - b)[edge.length >> 1];
  const out = plane(w + 2 * margin, h + 2 * margin, new Uint8Array((w + 2 * margin) * (h + 2 * margin)).fill(level));
  for (let y = 0; y < h; y++) out.data.set(data.subarray(y * w, (y + 1) * w), (y + margin) * out.w + margin);
  return out;
}

/** Whether a box reaches over an edge of a region that is no edge of the picture. */
function isCut([x, y, width, height], [left, top, right, bottom], { w, h }) {
  return (left > 0 && x - width / 2 < left) || (top > 0 && y - height / 2 < top)
    || (right < w && x + width / 2 > right) || (bottom < h && y + height / 2 > bottom);
}

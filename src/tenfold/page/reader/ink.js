// From the pixels of any picture to its ink: paper exactly 0, the darkest strokes 1.
//
// A picture is {w, h, channels, data}: bytes, grey (1 channel) or RGB (3).

import {
  blurred, closed, cropped, median3, medianOfBytes, mirrored, plane,
} from "./image.js";
import { largest, place, quantile, rint } from "./numbers.js";
import { enlarged, shrunk } from "./resize.js";

const { abs, fround, max, min } = Math;

export const WORKING_SIDE = 1600; // pixels: larger pictures are scaled down first
export const SMALLEST = 36; // pixels: in smaller pictures a stroke can be as long and thin as a line

const COPY = 128; // pixels: paper changes slowly, and is looked at on a small copy
const FLAT = 0.25; // share of pixels of one and the same grey that makes a paper flat
const FAINTEST = 0.06; // of full contrast: fainter ink is none
const VISIBLE = 5; // standard deviations of noise: fainter ink is none

/** Scale down until the longer side is `longest`; return the picture and the factor. */
export function fit(p, longest, channels = 1) {
  const factor = min(1, longest / max(p.w, p.h));
  if (factor === 1) return [p, 1];
  const [w, h] = [p.w, p.h].map((side) => max(1, rint(side * factor)));
  return [{ ...shrunk(p, w, h, channels), channels }, factor];
}

/** How far each pixel is from the paper around it, 0 ... 1, in the direction of the ink. */
export function contrast(picture) {
  const flat = isFlat(picture);
  let [planes, grey] = planesOf(picture);
  let classes = flat ? otsu(grey) : null;
  if (flat ? lightOnFlat(grey, classes) : lightOnShaded(grey)) {
    [planes, grey] = planesOf({ ...picture, data: picture.data.map((value) => 255 - value) });
    classes = flat ? otsu(grey) : null;
  }
  const paper = flat ? fround(flatPaper(grey, classes)) : 0;
  const near = fround(1 / 255);
  const bare = (i) => abs(fround(grey.data[i] - paper)) < near;
  const away = planes.map((p) => {
    const found = plane(p.w, p.h);
    if (flat) {
      const level = commonest(p, bare);
      const [from, scale] = [fround(level), max(level, 0.2)];
      for (let i = 0; i < found.data.length; i++) {
        found.data[i] = max(fround(from - p.data[i]), 0) / scale;
      }
    } else {
      const level = shadedPaper(p);
      const least = fround(0.2);
      for (let i = 0; i < found.data.length; i++) {
        found.data[i] = max(fround(level.data[i] - p.data[i]), 0) / max(level.data[i], least);
      }
    }
    return found;
  });
  if (away.length === 1) return away[0];
  const [r, g, b] = away.map((p) => p.data);
  const strongest = plane(picture.w, picture.h);
  for (let i = 0; i < r.length; i++) {
    const sum = fround(fround(fround(r[i] * r[i]) + fround(g[i] * g[i])) + fround(b[i] * b[i]));
    strongest.data[i] = Math.sqrt(fround(sum / 3));
  }
  return strongest;
}

/** Whether the ink, the minority, is lighter than shaded paper: than what is around it. */
function lightOnShaded(grey) {
  const [small, k] = smallCopy(grey);
  const around = median(small, 2 * k + 1);
  return small.data.reduce((sum, value, i) => sum + (value - around.data[i]) ** 3, 0) > 0;
}

/** Whether the ink is lighter than flat paper; the border and the corners seldom have any. */
function lightOnFlat(grey, [middle]) {
  const { w, h } = grey;
  const threshold = fround(middle);
  const share = (...windows) => {
    let [light, all] = [0, 0];
    for (const [top, left, bottom, right] of windows) {
      for (let y = top; y < bottom; y++) {
        for (let x = left; x < right; x++) light += grey.data[y * w + x] > threshold;
      }
      all += (bottom - top) * (right - left);
    }
    return light / all;
  };
  const k = max(1, Math.floor(min(h, w) / 8));
  const whole = share([0, 0, h, w]);
  const border = share([0, 0, 1, w], [h - 1, 0, h, w], [0, 0, h, 1], [0, w - 1, h, w]);
  const corners = share([0, 0, k, k], [0, w - k, k, w], [h - k, 0, h, k], [h - k, w - k, h, w]);
  return whole + border + corners < 1.5; // half of three
}

/** Stretch contrast so that paper and its noise are 0 and the body of the ink is 1. */
export function levels(found) {
  const [middle, counts] = otsu(found);
  const split = Math.trunc(middle * 255) + 1;
  const [under, over] = [counts.subarray(0, split), counts.subarray(split)];
  const stretched = plane(found.w, found.h);
  if (!over.some(Boolean)) return stretched;
  const high = split / 255 + place(over, 0.9) / 255;
  const paper = place(under, 0.5) / 255;
  const away = new Float64Array(split + 1);
  const centre = rint(paper * 255);
  under.forEach((count, i) => (away[abs(i - centre)] += count));
  const noise = paper + (4 * place(away, 0.5)) / 255;
  if (high < max(FAINTEST, 1.5 * noise, paper + VISIBLE * grain(found))) return stretched;
  const low = min(noise, 0.45 * high);
  const [from, range] = [fround(low), fround(high - low)];
  for (let i = 0; i < found.data.length; i++) {
    stretched.data[i] = min(max(fround(found.data[i] - from) / range, 0), 1);
  }
  return stretched;
}

/** The standard deviation of the paper's noise, in spite of strokes (Immerkaer 1996). */
function grain({ w, h, data }) {
  if (min(w, h) < SMALLEST) return 0;
  const k = min(max(1, Math.floor(min(w, h) / 16)), 3);
  const across = new Float32Array(w * h);
  const differences = new Float32Array(w * h);
  const beside = (n, by) => Int32Array.from({ length: n }, (_, i) => mirrored(i + by, n));
  const [left, right, over, under] = [beside(w, -k), beside(w, k), beside(h, -k), beside(h, k)];
  let still = 0;
  for (let y = 0; y < h; y++) {
    const row = y * w;
    for (let x = 0; x < w; x++) {
      across[row + x] = data[row + left[x]] - 2 * data[row + x] + data[row + right[x]];
    }
  }
  for (let y = 0; y < h; y++) {
    const [a, b] = [over[y], under[y]];
    for (let x = 0; x < w; x++) {
      const difference = abs(across[a * w + x] - 2 * across[y * w + x] + across[b * w + x]);
      differences[y * w + x] = difference;
      if (difference === 0) still++;
    }
  }
  if (2 * still > w * h + 1) return 0; // and no need to look for the median
  return quantile(differences, 0.5) / (6 * 0.6745); // 6²: the sum of the squared weights
}

/** The channels in 0 ... 1, and their mean. */
function planesOf({ w, h, channels, data }) {
  const unit = new Float32Array(256).map((_, i) => i / 255);
  const planes = Array.from({ length: channels }, (_, c) => {
    const p = plane(w, h);
    for (let i = 0; i < p.data.length; i++) p.data[i] = unit[data[i * channels + c]];
    return p;
  });
  if (channels === 1) return [planes, planes[0]];
  const [r, g, b] = planes.map((p) => p.data);
  const grey = plane(w, h);
  for (let i = 0; i < r.length; i++) grey.data[i] = fround(fround(r[i] + g[i]) + b[i]) / 3;
  return [planes, grey];
}

/** Whether the paper is one and the same grey all over, as in drawings and clean scans. */
function isFlat({ w, h, channels, data }) {
  const counts = new Uint32Array(256);
  for (let i = channels >> 1; i < data.length; i += channels) counts[data[i]]++;
  return largest(counts) >= FLAT * w * h;
}

/** The commonest brightness above the ink's. */
function flatPaper(grey, [middle, counts]) {
  const split = Math.trunc(middle * 255) + 1;
  const above = counts.subarray(split);
  const most = largest(above);
  if (!(most > 0)) return largest(grey.data);
  return (split + above.indexOf(most)) / 255;
}

/** The commonest of the 256 greys among the chosen pixels. */
function commonest(p, chosen) {
  const counts = new Uint32Array(256);
  for (let i = 0; i < p.data.length; i++) if (chosen(i)) counts[rint(fround(p.data[i] * 255))]++;
  return counts.indexOf(largest(counts)) / 255;
}

/** Estimate the paper's brightness under the ink: closing, wider than strokes, then smoothing. */
function shadedPaper(p) {
  const [small, k] = smallCopy(p);
  const reach = min(k, min(small.w, small.h) - 1);
  // A median, unlike a mean, leaves the edge of a shadow where it is.
  const calm = blurred(median(closed(continued(small, reach), k, k), k));
  const inside = cropped(calm, reach, reach, reach + small.h, reach + small.w);
  return enlarged(inside, p.w, p.h);
}

/** Add a border: light that fades towards an edge goes on fading beyond it. */
function continued(p, reach) {
  const wide = plane(p.w + 2 * reach, p.h + 2 * reach);
  for (let y = 0; y < p.h; y++) {
    wide.data.set(p.data.subarray(y * p.w, (y + 1) * p.w), (y + reach) * wide.w + reach);
  }
  const mirror = (edge, step) => {
    for (let i = 1; i <= reach; i++) {
      wide.data[edge - i * step] = fround(fround(2 * wide.data[edge]) - wide.data[edge + i * step]);
    }
  };
  for (let x = reach; x < reach + p.w; x++) {
    mirror(reach * wide.w + x, wide.w);
    mirror((reach + p.h - 1) * wide.w + x, -wide.w);
  }
  for (let y = 0; y < wide.h; y++) {
    mirror(y * wide.w + reach, 1);
    mirror(y * wide.w + reach + p.w - 1, -1);
  }
  return wide;
}

/** A small copy without its noise, and an odd number of its pixels wider than strokes. */
function smallCopy(p) {
  const small = median3(fit(p, COPY)[0]);
  // Than strokes: a number is much longer than high.
  const wider = min(max(small.w, small.h) / 5, min(small.w, small.h) / 2.5);
  return [small, max(3, rint(wider) | 1)];
}

/** The median of the k x k pixels around each, in steps of a grey. */
function median(p, k) {
  const calm = medianOfBytes(greys(p), k);
  return plane(p.w, p.h, Float32Array.from(calm.data, (value) => value / 255));
}

/** The nearest of the 256 greys. */
function greys(p) {
  const bytes = new Uint8Array(p.data.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = min(rint(abs(fround(p.data[i] * 255))), 255);
  return plane(p.w, p.h, bytes);
}

/** The threshold between two classes that are each most alike (Otsu 1979), and the counts of greys. */
function otsu(p) {
  const counts = new Uint32Array(256);
  for (const grey of greys(p).data) counts[grey]++;
  const scale = 1 / p.data.length;
  const tiny = 2 ** -23;
  let mean = 0;
  counts.forEach((count, i) => (mean += i * count));
  mean *= scale;
  let [level, best, mean1, share1] = [0, 0, 0, 0];
  counts.forEach((count, i) => {
    const share = count * scale;
    mean1 *= share1;
    share1 += share;
    const share2 = 1 - share1;
    if (min(share1, share2) < tiny || max(share1, share2) > 1 - tiny) return;
    mean1 = (mean1 + i * share) / share1;
    const mean2 = (mean - share1 * mean1) / share2;
    const apart = share1 * share2 * (mean1 - mean2) * (mean1 - mean2);
    if (apart > best) [best, level] = [apart, i];
  });
  return [(level + 0.5) / 255, counts];
}

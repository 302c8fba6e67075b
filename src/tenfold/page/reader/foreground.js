// From the pixels of any picture to its foreground: paper exactly 0, the darkest strokes 1.
//
// A picture is {w, h, channels, data}: bytes, grey (1 channel) or RGB (3).

import {
  blurred, closed, cropped, median3, medianOfBytes, mirrored, plane,
} from "./image.js";
import { largest, median, place, rint } from "./numbers.js";
import { enlarged, shrunk } from "./resize.js";

const { abs, floor, fround, max, min, sqrt, trunc } = Math;

// `ForegroundConfig` of foreground.py says what each is.
export const CONFIG = {
  maxSidePx: 1600,
  backgroundSidePx: 128,
  minShareOfFlatPaper: 0.25,
  minPaperBrightness: 0.2,
  minContrast: 0.06,
  minContrastOfNoise: 5,
  minContrastOfPaperSpread: 1.5,
  paperSpreadDeviations: 4,
  maxPaperLevelOfStroke: 0.45,
  strokeQuantile: 0.9,
  minNoiseSidePx: 36,
};

/** Scale down until the longer side is `maxSide` pixels; return the picture and the factor. */
export function downscale(p, maxSide = CONFIG.maxSidePx, channels = p.channels ?? 1) {
  const factor = min(1, maxSide / max(p.w, p.h));
  if (factor === 1) return [p, 1];
  const [w, h] = [p.w, p.h].map((side) => max(1, rint(side * factor)));
  return [{ ...shrunk(p, w, h, channels), channels }, factor];
}

/** The foreground of a picture, a plane of 0 ... 1. */
export const findForeground = (picture) => stretchLevels(subtractBackground(picture));

/** The contrast of each pixel to the paper around it, 0 ... 1, in the direction of the strokes. */
function subtractBackground(picture) {
  const flat = hasFlatPaper(picture);
  let [channels, grey] = toUnit(picture);
  let classes = flat ? otsu(grey) : null;
  if (flat ? isLightOnFlat(grey, classes) : isLightOnShaded(grey)) {
    [channels, grey] = toUnit({ ...picture, data: picture.data.map((value) => 255 - value) });
    classes = flat ? otsu(grey) : null;
  }
  const paper = flat ? fround(flatPaperLevel(grey, classes)) : 0;
  const near = fround(1 / 255);
  const isPaper = (i) => abs(fround(grey.data[i] - paper)) < near;
  const contrasts = channels.map((channel) =>
    contrast(channel, flat ? mostCommon(channel, isPaper) : shadedPaper(channel)));
  if (contrasts.length === 1) return contrasts[0];
  const [r, g, b] = contrasts.map((p) => p.data);
  const out = plane(picture.w, picture.h);
  for (let i = 0; i < r.length; i++) {
    const sum = fround(fround(fround(r[i] * r[i]) + fround(g[i] * g[i])) + fround(b[i] * b[i]));
    out.data[i] = sqrt(fround(sum / 3));
  }
  return out;
}

/** The contrast of a channel to its paper: a number, or a plane. */
function contrast(channel, paper) {
  const out = plane(channel.w, channel.h);
  const flat = typeof paper === "number";
  const least = flat ? CONFIG.minPaperBrightness : fround(CONFIG.minPaperBrightness);
  for (let i = 0; i < out.data.length; i++) {
    const level = flat ? paper : paper.data[i];
    out.data[i] = max(fround(fround(level) - channel.data[i]), 0) / max(level, least);
  }
  return out;
}

/** Whether strokes, the minority, are lighter than shaded paper: than their surroundings. */
function isLightOnShaded(grey) {
  const [small, k] = smallCopy(grey);
  const around = medianFilter(small, 2 * k + 1);
  return small.data.reduce((sum, value, i) => sum + (value - around.data[i]) ** 3, 0) > 0;
}

/** Whether strokes are lighter than flat paper; few lie at the border and in the corners. */
function isLightOnFlat(grey, [middle]) {
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
  const k = max(1, floor(min(h, w) / 8));
  const whole = share([0, 0, h, w]);
  const border = share([0, 0, 1, w], [h - 1, 0, h, w], [0, 0, h, 1], [0, w - 1, h, w]);
  const corners = share([0, 0, k, k], [0, w - k, k, w], [h - k, 0, h, k], [h - k, w - k, h, w]);
  return whole + border + corners < 1.5; // half of three
}

/** Stretch contrast until paper and its noise are 0 and the body of a stroke is 1. */
function stretchLevels(contrast) {
  const [threshold, counts] = otsu(contrast);
  const split = trunc(threshold * 255) + 1;
  const [under, over] = [counts.subarray(0, split), counts.subarray(split)];
  const out = plane(contrast.w, contrast.h);
  if (!over.some(Boolean)) return out;
  const high = split / 255 + place(over, CONFIG.strokeQuantile) / 255;
  const paper = place(under, 0.5) / 255;
  const deviations = new Float64Array(split + 1);
  const centre = rint(paper * 255);
  under.forEach((count, i) => (deviations[abs(i - centre)] += count));
  const spread = paper + (CONFIG.paperSpreadDeviations * place(deviations, 0.5)) / 255;
  const visible = paper + CONFIG.minContrastOfNoise * noiseDeviation(contrast);
  if (high < max(CONFIG.minContrast, CONFIG.minContrastOfPaperSpread * spread, visible)) {
    return out;
  }
  const low = min(spread, CONFIG.maxPaperLevelOfStroke * high);
  const [from, range] = [fround(low), fround(high - low)];
  for (let i = 0; i < contrast.data.length; i++) {
    out.data[i] = min(max(fround(contrast.data[i] - from) / range, 0), 1);
  }
  return out;
}

/** The standard deviation of the paper's noise, in spite of strokes (Immerkaer 1996). */
function noiseDeviation({ w, h, data }) {
  if (min(w, h) < CONFIG.minNoiseSidePx) return 0;
  const k = min(max(1, floor(min(w, h) / 16)), 3);
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
  if (2 * still > w * h + 1) return 0; // the median
  // 0.6745 is the median of a normal's absolute value; the kernel's squared weights sum to 6².
  return median(differences) / (6 * 0.6745);
}

/** The channels in 0 ... 1, and their mean. */
function toUnit({ w, h, channels, data }) {
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

/** Whether paper has the same grey everywhere, as in drawings and clean scans. */
function hasFlatPaper({ w, h, channels, data }) {
  const counts = new Uint32Array(256);
  for (let i = channels >> 1; i < data.length; i += channels) counts[data[i]]++;
  return largest(counts) >= CONFIG.minShareOfFlatPaper * w * h;
}

/** The most common brightness above that of the strokes. */
function flatPaperLevel(grey, [middle, counts]) {
  const split = trunc(middle * 255) + 1;
  const above = counts.subarray(split);
  const most = largest(above);
  if (!(most > 0)) return largest(grey.data);
  return (split + above.indexOf(most)) / 255;
}

/** The most common of the 256 greys among the chosen pixels. */
function mostCommon(p, chosen) {
  const counts = new Uint32Array(256);
  greys(p).data.forEach((grey, i) => (counts[grey] += chosen(i)));
  return counts.indexOf(largest(counts)) / 255;
}

/** Estimate the paper's brightness under the strokes: a closing wider than them, then smoothing. */
function shadedPaper(p) {
  const [small, k] = smallCopy(p);
  const reach = min(k, min(small.w, small.h) - 1);
  // A median, unlike a mean, leaves the edge of a shadow where it is.
  const calm = blurred(medianFilter(closed(continued(small, reach), k, k), k));
  const inside = cropped(calm, reach, reach, reach + small.h, reach + small.w);
  return enlarged(inside, p.w, p.h);
}

/** Add a border: light that fades towards an edge continues to fade beyond it. */
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

/** A small copy without noise, and an odd number of its pixels wider than any stroke. */
function smallCopy(p) {
  const small = median3(downscale(p, CONFIG.backgroundSidePx)[0]);
  // A row of digits is much longer than a digit is high.
  const wider = min(max(small.w, small.h) / 5, min(small.w, small.h) / 2.5);
  return [small, max(3, rint(wider) | 1)];
}

/** The median of the k x k pixels around each, in steps of a grey. */
function medianFilter(p, k) {
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

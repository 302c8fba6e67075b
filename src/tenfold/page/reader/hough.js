// The Hough transform for lines that are nearly level, with the results that OpenCV gives.

import { rint } from "./numbers.js";

const { floor, fround } = Math;

const STEEPEST = 0.26; // radians that a line may be off level: 15 degrees
const STEP = 0.01;
const MOST_SLOPES = 12;

/** The slopes at which many inked pixels lie on one line, by the Hough transform. */
export function slopes({ w, h, data }) {
  const enough = Math.trunc(0.6 * w);
  const [lowest, highest] = [Math.PI / 2 - STEEPEST, Math.PI / 2 + STEEPEST];
  const angles = floor((highest - lowest) / STEP) + 1;
  const distances = 2 * (w + h) + 1;
  const width = distances + 2;
  const votes = new Int32Array((angles + 2) * width);
  for (let n = 0, angle = fround(lowest); n < angles; n++, angle = fround(angle + fround(STEP))) {
    const [cos, sin] = [fround(Math.cos(angle)), fround(Math.sin(angle))];
    const across = new Float32Array(w).map((_, x) => x * cos);
    const origin = (n + 1) * width + 1 + (distances - 1) / 2;
    for (let y = 0; y < h; y++) {
      const down = fround(y * sin);
      for (let x = 0; x < w; x++) {
        if (data[y * w + x]) votes[origin + rint(fround(across[x] + down))]++;
      }
    }
  }
  const peaks = [];
  for (let n = 0; n < angles; n++) {
    for (let at = (n + 1) * width + 1; at <= (n + 1) * width + distances; at++) {
      const own = votes[at];
      if (own > enough && own > votes[at - 1] && own >= votes[at + 1]
        && own > votes[at - width] && own >= votes[at + width]) peaks.push(at);
    }
  }
  peaks.sort((a, b) => votes[b] - votes[a] || a - b); // most votes first
  const chosen = new Set(peaks.map((at) => fround(lowest + (floor(at / width) - 1) * STEP)));
  return [...chosen].slice(0, MOST_SLOPES).map((angle) => -Math.cos(angle) / Math.sin(angle));
}

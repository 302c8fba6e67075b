// The Hough transform for lines that are nearly level, with the results that OpenCV gives.

import { rint } from "./numbers.js";

const { floor, fround } = Math;

/** The slopes of lines through many pixels, most first, by the Hough transform. */
export function slopes({ w, h, data }, { maxAngleRad, angleStepRad, maxSlopes, minVotesOfWidth }) {
  const minVotes = Math.trunc(minVotesOfWidth * w);
  const [lowest, highest] = [Math.PI / 2 - maxAngleRad, Math.PI / 2 + maxAngleRad];
  const angles = floor((highest - lowest) / angleStepRad) + 1;
  const distances = 2 * (w + h) + 1;
  const width = distances + 2;
  const votes = new Int32Array((angles + 2) * width);
  for (let n = 0, angle = fround(lowest); n < angles; n++, angle = fround(angle + fround(angleStepRad))) {
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
      if (own > minVotes && own > votes[at - 1] && own >= votes[at + 1]
        && own > votes[at - width] && own >= votes[at + width]) peaks.push(at);
    }
  }
  peaks.sort((a, b) => votes[b] - votes[a] || a - b); // most votes first
  const chosen = new Set(peaks.map((at) => fround(lowest + (floor(at / width) - 1) * angleStepRad)));
  return [...chosen].slice(0, maxSlopes).map((angle) => -Math.cos(angle) / Math.sin(angle));
}

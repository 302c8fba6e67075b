// Rounding, counting and quantiles as NumPy has them.

/** Round to the nearest integer, a half to the even one. */
export function rint(x) {
  const rounded = Math.round(x); // a half goes up
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

export function largest(values) {
  let most = -Infinity;
  for (let i = 0; i < values.length; i++) if (values[i] > most) most = values[i];
  return most;
}

export const sum = (values) => values.reduce((total, value) => total + value, 0);
export const mean = (values) => sum(values) / values.length;

/** The place of the first largest value. */
export const argmax = (values) => values.indexOf(largest(values));

/** The first place at which the running sum reaches `share` of the whole. */
export function place(counts, share) {
  const least = share * sum(counts);
  let reached = 0;
  for (let i = 0; i < counts.length; i++) {
    reached += counts[i];
    if (reached >= least) return i;
  }
  return counts.length;
}

/** The element that would stand at `rank` if these floats >= 0 were sorted; they are not moved. */
function ranked(values, rank) {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  let prefix = 0;
  for (const shift of [16, 0]) { // floats >= 0 sort as their bits do
    const counts = new Uint32Array(1 << 16);
    const known = shift ? 0 : prefix;
    for (const b of bits) if (shift || b >>> 16 === known) counts[(b >>> shift) & 0xffff]++;
    let i = 0;
    while (rank >= counts[i]) rank -= counts[i++];
    prefix = shift ? i : ((prefix << 16) | i) >>> 0;
  }
  return new Float32Array(new Uint32Array([prefix]).buffer)[0];
}

/** The quantile of floats >= 0, between two of them where it falls there. */
export function quantile(values, share) {
  const at = share * (values.length - 1);
  const low = Math.floor(at);
  const a = ranked(values, low);
  if (at === low) return a;
  return a + (ranked(values, low + 1) - a) * (at - low);
}

/** The middle of a few numbers. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// Rounding, counting and the median as NumPy has them.

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

export const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
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

/** The middle value. */
export function median(values) {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

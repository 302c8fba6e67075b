// What a row of detections may be read as: texts with probabilities, the most probable first.
//
// Detections that exclude each other (two boxes over one stroke) form a region. The ways to read a
// region are its sets of detections that do not exclude each other. Regions are independent.

import { CLASSES } from "./detection.js";
import { sum } from "./numbers.js";
import { same } from "./suppression.js";

const { log, max, min } = Math;

export const CONFIG = {
  maxOfRegion: 6, // detections of a region that are considered, the most certain ones
  classesConsidered: 4, // of each detection
  minProbability: 1e-4, // of a choice; less probable ones are left out
};

/** Yield {text, cost, members}: the ways to read detections, by their cost -log p. */
export function* hypotheses(row, config) {
  const excluded = row.map((a) => row.map((b) => a !== b && same(a, b, config)));
  const choices = regions(row, excluded).map((region) => choicesOf(row, region, excluded));
  for (const [cost, places] of cheapest(choices.map((list) => list.map((choice) => choice.cost)))) {
    const chosen = places.map((place, i) => choices[i][place]);
    yield {
      cost,
      text: chosen.map(({ text }) => text).join(""),
      members: chosen.flatMap(({ members }) => members.map((k) => row[k])),
    };
  }
}

/** Group the indices of detections that exclude each other, directly or through others. */
function regions(row, excluded) {
  const found = [];
  const seen = new Set();
  for (let start = 0; start < row.length; start++) {
    if (seen.has(start)) continue;
    const region = [start];
    seen.add(start);
    for (const k of region) { // which grows
      excluded[k].forEach((is, other) => {
        if (!is || seen.has(other)) return;
        seen.add(other);
        region.push(other);
      });
    }
    region.sort((a, b) => row[b].objectness - row[a].objectness || a - b);
    found.push(region.slice(0, CONFIG.maxOfRegion).sort((a, b) => a - b));
  }
  return found;
}

/** The ways to read a region, the cheapest first. */
function choicesOf(row, region, excluded) {
  const present = (k) => min(max(row[k].objectness, 1e-6), 1 - 1e-6);
  const sets = subsets(region)
    .filter((set) => !set.some((a) => set.some((b) => excluded[a][b])))
    .map((members) => {
      const absent = region.filter((k) => !members.includes(k) && !members.some((m) => excluded[m][k]));
      const weight = members.reduce((p, k) => p * present(k), 1) * absent.reduce((p, k) => p * (1 - present(k)), 1);
      return { members, weight };
    });
  const total = sum(sets.map(({ weight }) => weight));
  const found = sets.flatMap(({ members, weight }) =>
    members
      .reduce((texts, k) => texts.flatMap(([text, p]) =>
        likelyClasses(row[k].classes).map(([character, q]) => [text + character, p * q])), [["", 1]])
      .map(([text, p]) => ({ text, members, p: (weight / total) * p }))
      .filter(({ p }) => p > CONFIG.minProbability)
      .map(({ p, ...choice }) => ({ ...choice, cost: -log(p) })));
  if (!found.length) return [{ cost: 0, text: "", members: [] }];
  return found.sort((a, b) => a.cost - b.cost || (a.text < b.text ? -1 : Number(a.text > b.text)));
}

/** The subsets of a list, the smaller ones first. */
function subsets(list) {
  const all = list.reduce((sets, k) => [...sets, ...sets.map((set) => [...set, k])], [[]]);
  return all.sort((a, b) => a.length - b.length);
}

function likelyClasses(probabilities) {
  return Array.from(probabilities, (p, k) => [CLASSES[k], p])
    .sort((a, b) => b[1] - a[1])
    .slice(0, CONFIG.classesConsidered)
    .filter(([, p]) => p > CONFIG.minProbability);
}

/** Yield picks of one place of each sorted list of costs, in the order of their sums.
 *
 * A pick is kept as the places [list, place] that are not the first. It is changed at the last list
 * of these and at the next one only: so every pick is made once, from one that costs less.
 */
function* cheapest(costs) {
  const lists = [...costs.keys()].filter((k) => costs[k].length > 1)
    .sort((a, b) => costs[a][1] - costs[a][0] - (costs[b][1] - costs[b][0]));
  const first = sum(costs.map(([least]) => least));
  const waiting = [[first, []]]; // the cheapest last
  while (waiting.length) {
    const [cost, changes] = waiting.pop();
    const places = costs.map(() => 0);
    for (const [k, place] of changes) places[lists[k]] = place;
    yield [cost, places];
    const kept = changes.slice(0, -1);
    const [last, place] = changes.at(-1) ?? [-1, 0];
    const after = [[...changes, [last + 1, 1]]];
    if (changes.length) after.push([...kept, [last, place + 1]]);
    if (place === 1) after.push([...kept, [last + 1, 1]]);
    for (const pick of after) {
      const [k, j] = pick.at(-1);
      if (k >= lists.length || j >= costs[lists[k]].length) continue;
      const next = pick.reduce((sum, [n, m]) => sum + costs[lists[n]][m] - costs[lists[n]][0], first);
      let at = waiting.length;
      while (at && waiting[at - 1][0] < next) at--;
      waiting.splice(at, 0, [next, pick]);
    }
  }
}

/** What the probabilities of texts add up to. */
export const total = (texts) => sum(texts.map(({ probability }) => probability));

/** Texts, the most probable first, with probabilities that add up to `all`. */
export function rescaled(texts, all) {
  const scale = all / total(texts);
  return texts.map((one) => ({ ...one, probability: one.probability * scale })).sort((a, b) => b.probability - a.probability);
}

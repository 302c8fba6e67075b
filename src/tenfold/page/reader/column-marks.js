// The numbers of a table's column are alike: a mark that the others lack is probably none.

import { CLASSES, DIGITS } from "./detection.js";
import { rescaled, total } from "./hypotheses.js";
import { sum } from "./numbers.js";

const MARKS = [...CLASSES.slice(DIGITS)];

/** What numbers may say, given how many others of their columns have each mark.
 *
 * @param texts of each number [{text, probability}]. @param columns of each number. @param config ColumnMarksConfig, as JSON.
 */
export function weighMarks(texts, columns, { share, strength, rounds }) {
  let weighed = texts;
  for (let round = 0; round < rounds; round++) {
    const marked = weighed.map((all) => MARKS.map((mark) => total(all.filter(({ text }) => text.includes(mark))) / total(all)));
    weighed = texts.map((all, i) => {
      const others = marked.filter((_, k) => k !== i && columns[k] === columns[i]);
      const shares = MARKS.map((_, m) => (sum(others.map((one) => one[m])) + share * strength) / (others.length + strength));
      const odds = (text) => MARKS.map((mark, m) => (text.includes(mark) ? shares[m] / share : (1 - shares[m]) / (1 - share)))
        .reduce((a, b) => a * b);
      return rescaled(all.map((one) => ({ ...one, probability: one.probability * odds(one.text) })), total(all));
    });
  }
  return weighed;
}

// What was read, on the page: the numbers in large digits, and a card for each digit.

/** In percent, never rounded up to certainty; the space does not break. */
const percent = (p) => `${Math.min(100 * p, 99.9).toFixed(p >= 0.1 ? 1 : 2)}\u00a0%`;

function element(tag, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

/** The digits of all numbers: {digit, accepted, number, name}, the last two of its number and itself. */
export function shownDigits({ numbers }) {
  return numbers.flatMap((number, i) => {
    const characters = [...number.text].filter((character) => /[0-9?]/.test(character));
    return number.digits.map((digit, k) => {
      const place = number.digits.length > 1 ? `Digit ${k + 1}` : "The digit";
      const whole = number.row === null ? `number ${i + 1}` : `row ${number.row + 1}, column ${number.column + 1}`;
      const name = numbers.length > 1 || number.row !== null ? `${place} of ${whole}` : place;
      return { digit, accepted: characters[k] !== "?", number, name };
    });
  });
}

/** A few words about a number. */
function verdictOfNumber({ probability, accepted, reason, digits }) {
  if (accepted) return percent(probability);
  if (digits.length === 1) return verdictOfDigit(digits[0], false, reason);
  return `${reason === "unsure" ? "not sure" : reason}: ${percent(probability)}`;
}

/** A few words about a digit. */
function verdictOfDigit({ digit, probability, runner_up }, accepted, reason) {
  if (accepted) return percent(probability);
  return reason === "not a digit" ? reason : `not sure: ${digit} or ${runner_up}?`;
}

/** A number's characters [{text, label}]: corrections in place of what was read. */
function characters(number, labelOf) {
  let next = 0;
  return [...number.text].map((text) => {
    const label = /[0-9?]/.test(text) ? labelOf(number.digits[next++]) : undefined;
    return { text: label ?? text, label };
  });
}

/** Whether a grid or a table was read. */
export const hasCells = ({ rows }) => rows !== null;

const isCorrected = ({ digits }, labelOf) => digits.some((digit) => labelOf(digit) !== undefined);
const textOf = (number, labelOf) => characters(number, labelOf).map(({ text }) => text).join("");

/** The items of the list of numbers: what is not accepted is marked. A grid or a table is one item.
 *
 * @param selected which of all digits is selected. @param onSelect called with another one.
 */
export function numberItems(page, labelOf, selected, onSelect) {
  if (hasCells(page)) return [element("li", {}, cellTable(page, labelOf, selected, onSelect))];
  return page.numbers.map((number) => {
    const spans = characters(number, labelOf).map(({ text, label }) =>
      element("span", { text, className: label === undefined ? "" : "corrected" }));
    const corrected = isCorrected(number, labelOf);
    const item = element("li", {}, element("span", { className: "number" }, ...spans),
      element("span", { className: "verdict", text: corrected ? "corrected by you" : verdictOfNumber(number) }));
    item.classList.toggle("rejected", !number.accepted && !corrected);
    return item;
  });
}

/** Rows of numbers, null in empty cells. */
function cellRows({ rows, columns, numbers }) {
  const cells = Array.from({ length: rows }, () => Array(columns).fill(null));
  for (const one of numbers) cells[one.row][one.column] = one;
  return cells;
}

/** The cells as they are in the picture; a click on one selects its first digit. */
function cellTable(page, labelOf, selected, onSelect) {
  let next = 0;
  const firstDigit = new Map(page.numbers.map((number) => [number, (next += number.digits.length) - number.digits.length]));
  const cell = (number) => {
    if (!number) return element("td");
    const corrected = isCorrected(number, labelOf);
    const first = firstDigit.get(number);
    const td = element("td", { text: textOf(number, labelOf) });
    td.title = corrected ? "corrected by you" : verdictOfNumber(number);
    td.classList.toggle("corrected", corrected);
    td.classList.toggle("rejected", !number.accepted && !corrected);
    td.classList.toggle("selected", selected >= first && selected < first + number.digits.length);
    td.addEventListener("click", () => onSelect(first));
    return td;
  };
  const rows = cellRows(page).map((row) => element("tr", {}, ...row.map(cell)));
  const scrolled = element("div", { className: "cells", tabIndex: 0 }, element("table", {}, ...rows));
  scrolled.setAttribute("role", "region");
  scrolled.setAttribute("aria-label", "Cells");
  return scrolled;
}

/** The cells as comma-separated values, with the user's corrections. */
export function cellsCsv(page, labelOf) {
  return cellRows(page).map((row) =>
    `${row.map((number) => (number ? textOf(number, labelOf) : "")).join(",")}\r\n`).join("");
}

/** The numbers in one sentence, which screen readers announce. */
export function summary(page, labelOf) {
  const { numbers } = page;
  if (hasCells(page)) return summaryOfCells(page, labelOf);
  if (!numbers.length) return "No number found.";
  const words = numbers.map((number) => {
    const text = textOf(number, labelOf);
    if (isCorrected(number, labelOf)) return `${text}, as you corrected it`;
    if (number.accepted) return text;
    const verdict = verdictOfNumber(number);
    return number.digits.length > 1 ? `${text}, ${verdict}` : verdict;
  });
  const all = words.join(" · ");
  const doubt = numbers.length === 1 && !numbers[0].accepted && numbers[0].digits.length === 1;
  if (doubt && labelOf(numbers[0].digits[0]) === undefined) return all[0].toUpperCase() + all.slice(1);
  return `Read ${all}`;
}

function summaryOfCells({ rows, columns, numbers }, labelOf) {
  const corrected = numbers.filter((number) => isCorrected(number, labelOf)).length;
  const unsure = numbers.filter((number) => !number.accepted && !isCorrected(number, labelOf)).length;
  return `Read ${numbers.length} numbers in ${rows} rows and ${columns} columns`
    + (unsure ? `; not sure of ${unsure}` : "") + (corrected ? `; ${corrected} corrected by you` : "");
}

/** Return the card of one digit.
 *
 * @param label the user's correction, if any.
 * @param onSelect called when the card is selected. @param onCorrect called with the right digit.
 */
export function digitCard({ digit, accepted, number, name }, { label, selected, onSelect, onCorrect }) {
  const corrected = label !== undefined;
  const heading = element("button", { className: "heading", type: "button" },
    element("span", { className: "visually-hidden", text: `${name}:` }),
    imageCanvas(digit.image),
    element("span", { className: "digit", text: label ?? (accepted ? digit.digit : "?") }),
    element("span", {
      className: "verdict",
      text: corrected ? `read as ${digit.digit}, corrected by you` : verdictOfDigit(digit, accepted, number.reason),
    }));
  heading.setAttribute("aria-pressed", selected);
  heading.setAttribute("aria-describedby", "legend");
  heading.addEventListener("click", onSelect);
  const card = element("li", {}, heading, bars(digit.probabilities));
  card.classList.toggle("selected", selected);
  card.classList.toggle("rejected", !accepted && !corrected);
  card.classList.toggle("corrected", corrected);
  if (selected) card.append(digitKeys(onCorrect));
  return card;
}

/** The image that the network saw. */
function imageCanvas({ w, h, data }) {
  const canvas = element("canvas", { width: w, height: h });
  canvas.setAttribute("aria-hidden", "true");
  const pixels = new ImageData(w, h);
  data.forEach((grey, i) => pixels.data.set([grey, grey, grey, 255], 4 * i));
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

function bars(probabilities) {
  const best = probabilities.indexOf(Math.max(...probabilities));
  const chart = element("div", { className: "bars" }, ...probabilities.map((p, digit) => {
    const bar = element("span", { className: "bar" });
    bar.style.height = `${3 * p}rem`;
    const value = element("span", { className: "value", text: p >= 0.005 ? Math.round(100 * p) : "" });
    const column = element("div", {}, value, bar, element("span", { className: "name", text: digit }));
    column.classList.toggle("best", digit === best);
    return column;
  }));
  const described = probabilities
    .map((p, digit) => ({ p, digit }))
    .filter(({ p }) => p >= 0.005)
    .sort((a, b) => b.p - a.p)
    .map(({ p, digit }) => `${digit} ${Math.round(100 * p)} %`);
  chart.setAttribute("role", "img");
  chart.setAttribute("aria-label", `Probabilities: ${described.join(", ")}`);
  return chart;
}

function digitKeys(onCorrect) {
  const prompt = element("span", { text: "Misread? It is" });
  const keys = element("div", { className: "keys" }, prompt, ...Array.from({ length: 10 }, (_, digit) => {
    const key = element("button", { text: digit, type: "button" });
    key.setAttribute("aria-label", `It is a ${digit}`);
    key.addEventListener("click", () => onCorrect(digit));
    return key;
  }));
  keys.setAttribute("role", "group");
  keys.setAttribute("aria-label", "The right digit");
  return keys;
}

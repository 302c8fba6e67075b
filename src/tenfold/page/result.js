// What was read, on the page: the numbers in large digits, and a card for each digit.

/** In percent, never rounded up to certainty; the space does not break. */
const percent = (p) => `${Math.min(100 * p, 99.9).toFixed(p >= 0.1 ? 1 : 2)}\u00a0%`;

export function element(tag, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

/** The digits of numbers: {digit, accepted, number, name}, the last two of its number and itself. */
export function shownDigits(numbers) {
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

export function verdictOfNumber({ probability, accepted, reason, digits }) {
  if (accepted) return percent(probability);
  if (digits.length === 1) return verdictOfDigit(digits[0], false, reason);
  return `${reason === "unsure" ? "not sure" : reason}: ${percent(probability)}`;
}

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

export const isCorrected = ({ digits }, labelOf) => digits.some((digit) => labelOf(digit) !== undefined);
const textOf = (number, labelOf) => characters(number, labelOf).map(({ text }) => text).join("");

/** The items of the list of numbers: what is not accepted is marked. */
export function numberItems(numbers, labelOf) {
  return numbers.map((number) => {
    const spans = characters(number, labelOf).map(({ text, label }) =>
      element("span", { text, className: label === undefined ? "" : "corrected" }));
    const corrected = isCorrected(number, labelOf);
    const item = element("li", {}, element("span", { className: "number" }, ...spans),
      element("span", { className: "verdict", text: corrected ? "corrected by you" : verdictOfNumber(number) }));
    item.classList.toggle("rejected", !number.accepted && !corrected);
    return item;
  });
}

/** The numbers in one sentence, which screen readers announce. */
export function summary(numbers, labelOf) {
  if (!numbers.length) return "No number found.";
  const words = numbers.map((number) => {
    const text = textOf(number, labelOf);
    if (isCorrected(number, labelOf)) return `${text || "no digit"}, as you corrected it`;
    if (number.accepted) return text;
    const verdict = verdictOfNumber(number);
    return number.digits.length > 1 ? `${text}, ${verdict}` : verdict;
  });
  const all = words.join(" · ");
  const doubt = numbers.length === 1 && !numbers[0].accepted && numbers[0].digits.length === 1;
  if (doubt && labelOf(numbers[0].digits[0]) === undefined) return all[0].toUpperCase() + all.slice(1);
  return `Read ${all}`;
}

/** Return the card of one digit.
 *
 * @param label the user's correction, if any; "" if it is no digit.
 * @param onSelect called when the card is selected. @param onCorrect called with the label.
 */
export function digitCard({ digit, accepted, number, name }, { label, selected, onSelect, onCorrect }) {
  const corrected = label !== undefined;
  const heading = element("button", { className: "heading", type: "button" },
    element("span", { className: "visually-hidden", text: `${name}:` }),
    imageCanvas(digit.image),
    element("span", { className: "digit", text: label ?? (accepted ? digit.digit : "?") }),
    element("span", {
      className: "verdict",
      text: corrected ? `read as ${digit.digit}, ${label === "" ? "no digit" : "corrected by you"}` : verdictOfDigit(digit, accepted, number.reason),
    }));
  heading.setAttribute("aria-pressed", selected);
  heading.setAttribute("aria-describedby", "legend");
  heading.addEventListener("click", onSelect);
  const card = element("li", {}, heading, bars(digit.probabilities));
  card.classList.toggle("selected", selected);
  card.classList.toggle("rejected", !accepted && !corrected);
  card.classList.toggle("corrected", corrected);
  // In a cell without one of its digits the others would change places.
  if (selected) card.append(digitKeys(onCorrect, number.row === null || number.digits.length < 2));
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

function digitKeys(onCorrect, orNone) {
  const prompt = element("span", { text: "Misread? It is" });
  const keys = element("div", { className: "keys" }, prompt, ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...(orNone ? [""] : [])].map((digit) => {
    const key = element("button", { text: digit === "" ? "no digit" : digit, type: "button" });
    key.setAttribute("aria-label", `It is ${digit === "" ? "no digit" : `a ${digit}`}`);
    key.addEventListener("click", () => onCorrect(digit));
    return key;
  }));
  keys.setAttribute("role", "group");
  keys.setAttribute("aria-label", "The right digit");
  return keys;
}

// What was read, on the page: the number in large digits, and a card for each digit.

/** In percent, never rounded up to certainty; the space does not break. */
const percent = (p) => `${Math.min(100 * p, 99.9).toFixed(p >= 0.1 ? 1 : 2)}\u00a0%`;

function element(tag, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

/** A few words about a reading. */
function verdict({ digit, probability, runner_up, reason }) {
  if (reason === "blank") return "nothing there";
  if (reason === "not a digit") return "not a digit";
  if (reason === "unsure") return `not sure: ${digit} or ${runner_up}?`;
  return percent(probability);
}

/** Show the number: "?" for rejected digits, corrections in place of what was read.
 *
 * A grid is shown smaller, a line for each of its rows.
 */
export function showNumber(target, readings, labelOf) {
  target.classList.toggle("cells", readings.some(({ row }) => row !== undefined));
  target.replaceChildren(...readings.flatMap((reading, i) => {
    const label = labelOf(reading);
    const text = label ?? (reading.rejected ? (reading.reason === "blank" ? "·" : "?") : reading.digit);
    const className = label !== undefined ? "corrected" : reading.rejected ? "rejected" : "";
    const digit = element("span", { text, className });
    return i && reading.row !== readings[i - 1].row ? [element("br"), digit] : [digit];
  }));
}

/** The readings in one sentence, which screen readers announce. */
export function summary(readings, labelOf) {
  const digits = readings.filter(({ reason }) => reason !== "blank");
  if (!digits.length) return "No digit found.";
  const words = digits.map((reading) => {
    const label = labelOf(reading);
    if (label !== undefined) return `${label}, as you corrected it`;
    return reading.rejected ? verdict(reading) : String(reading.digit);
  });
  if (digits.every((reading) => reading.rejected && labelOf(reading) === undefined)) {
    const all = words.join(" · ");
    return all[0].toUpperCase() + all.slice(1);
  }
  return `Read ${words.every((word) => word.length === 1) ? words.join("") : words.join(" · ")}`;
}

/** Return the card of one digit.
 *
 * @param label the user's correction, if any. @param name of the digit, for screen readers.
 * @param onSelect called when the card is selected. @param onCorrect called with the right digit.
 */
export function digitCard(reading, { label, selected, name, onSelect, onCorrect }) {
  const corrected = label !== undefined;
  const digit = label ?? (reading.reason === "blank" ? "·" : reading.rejected ? "?" : reading.digit);
  const heading = element("button", { className: "heading", type: "button" },
    element("span", { className: "visually-hidden", text: `${name}:` }),
    imageCanvas(reading.image),
    element("span", { className: "digit", text: digit }),
    element("span", {
      className: "verdict",
      text: corrected ? `read as ${reading.digit}, corrected by you` : verdict(reading),
    }));
  heading.setAttribute("aria-pressed", selected);
  heading.setAttribute("aria-describedby", "legend");
  heading.addEventListener("click", onSelect);
  const card = element("li", {}, heading, bars(reading.probabilities), memberList(reading.members));
  card.classList.toggle("selected", selected);
  card.classList.toggle("blank", reading.reason === "blank");
  card.classList.toggle("rejected", reading.rejected && !corrected);
  card.classList.toggle("corrected", corrected);
  if (selected) card.append(digitKeys(onCorrect));
  return card;
}

/** The image that the network saw, white on black. */
function imageCanvas(image) {
  const canvas = element("canvas", { width: 28, height: 28 });
  canvas.setAttribute("aria-hidden", "true");
  const pixels = new ImageData(28, 28);
  image.forEach((grey, i) => pixels.data.set([grey, grey, grey, 255], 4 * i));
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

function memberList(members) {
  return element("ul", { className: "members" }, ...members.map((probabilities, i) => {
    const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
    const [first, second] = order.map((digit) => `${digit} (${percent(probabilities[digit])})`);
    const name = members.length > 1 ? `Network ${i + 1}` : "Before calibration";
    return element("li", { text: `${name}: ${first}, then ${second}` });
  }));
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

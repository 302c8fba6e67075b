// What was read, on the page: the number in large figures, and a card for each digit.

/** In percent, never rounded up to certainty; the blank does not break. */
const percent = (p) => `${Math.min(100 * p, 99.9).toFixed(p >= 0.1 ? 1 : 2)}\u00a0%`;

function element(tag, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

/** What to say of a reading in a word or two. */
function verdict({ digit, probability, runner_up, reason }) {
  if (reason === "blank") return "nothing there";
  if (reason === "not a digit") return "not a digit";
  if (reason === "unsure") return `not sure: ${digit} or ${runner_up}?`;
  return percent(probability);
}

/** The number in large figures: "?" for what is rejected, the right digit for what was mended.
 *
 * Of a printed grid a line a row, smaller.
 */
export function showNumber(place, readings, labelOf) {
  place.classList.toggle("cells", readings.some(({ row }) => row !== undefined));
  place.replaceChildren(...readings.flatMap((reading, i) => {
    const label = labelOf(reading);
    const text = label ?? (reading.rejected ? (reading.reason === "blank" ? "·" : "?") : reading.digit);
    const className = label !== undefined ? "mended" : reading.rejected ? "doubt" : "";
    const figure = element("span", { text, className });
    return i && reading.row !== readings[i - 1].row ? [element("br"), figure] : [figure];
  }));
}

/** The reading as a sentence, for those who hear it. */
export function sentence(readings, labelOf) {
  const seen = readings.filter(({ reason }) => reason !== "blank");
  if (!seen.length) return "No digit found.";
  const words = seen.map((reading) => {
    const label = labelOf(reading);
    if (label !== undefined) return `${label}, as you say`;
    return reading.rejected ? verdict(reading) : String(reading.digit);
  });
  if (seen.every((reading) => reading.rejected && labelOf(reading) === undefined)) {
    const all = words.join(" · ");
    return all[0].toUpperCase() + all.slice(1);
  }
  return `Read ${words.every((word) => word.length === 1) ? words.join("") : words.join(" · ")}`;
}

/** A card of one digit.
 *
 * @param on.choose called when the card is chosen. @param on.mend called with the right digit.
 */
export function card(reading, { label, chosen, place, on }) {
  const figure = label ?? (reading.reason === "blank" ? "·" : reading.digit);
  const said = label === undefined ? verdict(reading) : `read as ${reading.digit}, mended by you`;
  const pick = element("button", { className: "pick", type: "button" },
    element("span", { className: "unseen", text: `${place}:` }),
    drawn(reading.image),
    element("span", { className: "figure", text: reading.rejected && label === undefined ? "?" : figure }),
    element("span", { className: "said", text: said }));
  pick.setAttribute("aria-pressed", chosen);
  pick.setAttribute("aria-describedby", "legend");
  pick.addEventListener("click", on.choose);
  const made = element("li", {}, pick, bars(reading.probabilities), opinions(reading.members));
  made.classList.toggle("chosen", chosen);
  made.classList.toggle("blank", reading.reason === "blank");
  made.classList.toggle("doubtful", reading.rejected && label === undefined);
  made.classList.toggle("mended", label !== undefined);
  if (chosen) made.append(keys(on.mend));
  return made;
}

/** What the network sees, white on black. */
function drawn(image) {
  const canvas = element("canvas", { width: 28, height: 28 });
  canvas.setAttribute("aria-hidden", "true");
  const pixels = new ImageData(28, 28);
  image.forEach((grey, i) => pixels.data.set([grey, grey, grey, 255], 4 * i));
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

function bars(probabilities) {
  const first = probabilities.indexOf(Math.max(...probabilities));
  const list = element("div", { className: "bars" }, ...probabilities.map((p, digit) => {
    const bar = element("span", { className: "bar" });
    bar.style.height = `${3 * p}rem`;
    const share = element("span", { className: "share", text: p >= 0.005 ? Math.round(100 * p) : "" });
    const row = element("div", {}, share, bar, element("span", { className: "name", text: digit }));
    row.classList.toggle("first", digit === first);
    return row;
  }));
  const told = probabilities
    .map((p, digit) => ({ p, digit }))
    .filter(({ p }) => p >= 0.005)
    .sort((a, b) => b.p - a.p)
    .map(({ p, digit }) => `${digit} ${Math.round(100 * p)} %`);
  list.setAttribute("role", "img");
  list.setAttribute("aria-label", `Probabilities: ${told.join(", ")}`);
  return list;
}

function opinions(members) {
  return element("ul", { className: "members" }, ...members.map((probabilities, i) => {
    const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
    const [first, second] = order.map((digit) => `${digit} (${percent(probabilities[digit])})`);
    const name = members.length > 1 ? `Network ${i + 1}` : "The network alone";
    return element("li", { text: `${name}: ${first}, then ${second}` });
  }));
}

function keys(mend) {
  const asked = element("span", { text: "Misread? It is" });
  const row = element("div", { className: "keys" }, asked, ...Array.from({ length: 10 }, (_, digit) => {
    const key = element("button", { text: digit, type: "button" });
    key.setAttribute("aria-label", `It is a ${digit}`);
    key.addEventListener("click", () => mend(digit));
    return key;
  }));
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", "The right digit");
  return row;
}

// What the user does with corrections: keep them in this browser, download them, delete them.

import * as corrections from "./corrections.js";
import { findDigit } from "./reader/single-digit.js";

const byId = (id) => document.getElementById(id);
const kept = new Set(); // digits that were kept since the page was opened
let pending = Promise.resolve(); // until what is to be kept is stored
let fail; // called with an error and a prefix

/** Listen to the controls. @param onError called with an error and what has not happened. */
export function addKeeping(onError) {
  fail = onError;
  const [keep, click] = [byId("keep"), (id, listener) => byId(id).addEventListener("click", listener)];
  keep.addEventListener("change", () => isWanted(keep.checked));
  const after = (run, prefix) => (pending = pending.then(run).catch((error) => fail(error, prefix)));
  click("download", () => after(async () =>
    download(await corrections.zipFolder(), "corrections.zip", "application/zip"), "Not saved"));
  click("forget", () => after(() => corrections.deleteAll().then(showCount), "Not deleted"));
  keep.checked = isWanted();
  showCount().catch((error) => keep.checked && fail(error, "Not kept"));
}

/** Store a digit with its label, if the user wants it; without one delete what was stored of it.
 *
 * @param isNormalized whether its image is as MNIST's are, and no part of the picture.
 */
export function keepDigit(digit, label, isNormalized) {
  if (!byId("keep").checked || (label === undefined && !kept.has(digit))) return;
  kept.add(digit);
  pending = pending.then(async () => {
    const image = isNormalized ? digit.image.data : asMnist(digit.image);
    await (label === undefined ? corrections.discard(image) : corrections.keep(image, label));
    await showCount();
  }).catch((error) => fail(error, "Not kept"));
}

/** The 784 bytes of a digit as networks are trained on it. */
function asMnist(image) {
  const found = findDigit({ channels: 1, ...image });
  if (!found) throw new Error("nothing stands out from the paper");
  return found.image.data;
}

/** Store the user's choice to keep corrections, if given, and return it; storage may be blocked. */
function isWanted(choice) {
  try {
    if (choice === true) localStorage.setItem("keep", "yes");
    if (choice === false) localStorage.removeItem("keep");
    return localStorage.getItem("keep") === "yes";
  } catch {
    return false;
  }
}

async function showCount() {
  const n = await corrections.count();
  byId("kept").hidden = !n;
  byId("kept-count").textContent = n === 1 ? "1 correction is kept." : `${n} corrections are kept.`;
}

export function download(content, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// The page: the sheet, who reads it, and what is shown of the reading.

import { findBackend, useToken } from "./backend.js";
import * as corrections from "./corrections.js";
import { Sheet } from "./sheet.js";
import { card, sentence, showNumber } from "./show.js";

const WAIT = 60; // milliseconds between two readings while the pen moves

const at = (id) => document.getElementById(id);
export const sheet = new Sheet(at("sheet"), changed);
const labels = new Map(); // what the user said of an image, by its pixels
let backend = null;
export let readings = [];
let chosen = 0;
let reading = null; // the promise of a reading under way
let stale = false; // whether the sheet has changed since it began

const keyOf = ({ image }) => String.fromCharCode(...image);
const labelOf = (one) => labels.get(keyOf(one));

// Reading -------------------------------------------------------------------------------------

function changed() {
  at("hint").hidden = !sheet.empty;
  at("undo").disabled = at("clear").disabled = sheet.empty;
  stale = true;
  reading ??= readSheet().finally(() => (reading = null));
}

/** Wait until all that is on the sheet has been read. */
export async function settled() {
  while (reading) await reading;
}

async function readSheet() {
  while (stale && backend) {
    stale = false;
    try {
      const start = performance.now();
      const found = sheet.empty ? [] : await backend.read(sheet, at("layout").value);
      const milliseconds = performance.now() - start;
      if (stale && !sheet.drawing && !sheet.empty) continue; // a newer one is wanted
      complain(null);
      show(sheet.empty ? [] : found, milliseconds);
    } catch (error) {
      complain(error);
    }
    if (sheet.drawing) await new Promise((done) => setTimeout(done, WAIT));
  }
}

function show(found, milliseconds) {
  if (found.length !== readings.length) chosen = 0;
  readings = found;
  at("draw").dataset.milliseconds = milliseconds?.toFixed(1) ?? "";
  showNumber(at("number"), readings, labelOf);
  showCards();
  at("took").textContent = milliseconds && !sheet.empty ? `(${Math.round(milliseconds)} ms)` : "";
  if (sheet.empty) say(backend.privacy);
  else if (!sheet.drawing) say(sentence(readings, labelOf)); // once, not with each move of the pen
}

function showCards() {
  const focused = document.activeElement?.closest?.("#digits li");
  const place = focused ? [...at("digits").children].indexOf(focused) : -1;
  at("digits").replaceChildren(...readings.map((one, i) => card(one, {
    label: labelOf(one),
    chosen: i === chosen,
    place: readings.length > 1 ? `Digit ${i + 1}` : "The digit",
    on: { choose: () => choose(i), mend },
  })));
  at("legend").hidden = !readings.length;
  if (place >= 0) at("digits").children[Math.min(place, readings.length - 1)]?.querySelector("button").focus();
}

const say = (text) => {
  if (at("status").textContent !== text) at("status").textContent = text;
};

function complain(error, what = "Not read") {
  at("trouble").hidden = !error;
  at("trouble").textContent = error ? `${what}: ${error.message}` : "";
  at("token-form").hidden = error?.status !== 401;
}

// Corrections ---------------------------------------------------------------------------------

function choose(i) {
  chosen = i;
  showCards();
}

async function mend(digit) {
  const one = readings[chosen];
  if (!one || one.reason === "blank") return;
  labels.set(keyOf(one), digit);
  show(readings);
  if (!at("keep").checked) return;
  try {
    await corrections.keep(one.image, digit);
    await showKept();
  } catch (error) {
    complain(error, "Not kept");
  }
}

/** Whether corrections are kept, as last chosen; a browser may not remember. */
function remembered(choice) {
  try {
    if (choice === true) localStorage.setItem("keep", "yes");
    if (choice === false) localStorage.removeItem("keep");
    return localStorage.getItem("keep") === "yes";
  } catch {
    return false;
  }
}

async function showKept() {
  const n = await corrections.count();
  at("kept").hidden = !n;
  at("kept-count").textContent = n === 1 ? "1 correction is kept." : `${n} corrections are kept.`;
}

function save(bytes, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], { type: "application/zip" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Pictures ------------------------------------------------------------------------------------

async function lay(file) {
  if (!file) return;
  try {
    await sheet.lay(file);
  } catch {
    complain(new Error(`${file.name || "this"} is no picture that this browser can show`));
  }
}

async function openCamera() {
  if (matchMedia("(pointer: coarse)").matches || !navigator.mediaDevices?.getUserMedia) {
    at("capture").click();
    return;
  }
  try {
    const video = at("video");
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    await video.play();
    at("viewfinder").showModal();
  } catch {
    complain(new Error("no camera that this page may use"));
  }
}

async function shoot() {
  const video = at("video");
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  at("viewfinder").close();
  await lay(await new Promise((done) => canvas.toBlob(done)));
}

// Controls ------------------------------------------------------------------------------------

function listen() {
  at("undo").addEventListener("click", () => sheet.undo());
  at("clear").addEventListener("click", () => sheet.clear());
  at("pen").addEventListener("input", ({ target }) => (sheet.pen = Number(target.value)));
  at("layout").addEventListener("change", changed);
  for (const id of ["file", "capture"]) {
    at(id).addEventListener("change", ({ target }) => {
      lay(target.files[0]);
      target.value = "";
    });
  }
  at("camera").addEventListener("click", openCamera);
  at("shoot").addEventListener("click", shoot);
  at("close").addEventListener("click", () => at("viewfinder").close());
  at("viewfinder").addEventListener("close", () => {
    for (const track of at("video").srcObject?.getTracks() ?? []) track.stop();
  });
  document.addEventListener("paste", ({ clipboardData }) => lay(pictureOf(clipboardData)));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  for (const end of ["dragleave", "drop"]) {
    document.addEventListener(end, () => document.body.classList.remove("dropping"));
  }
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    lay(pictureOf(event.dataTransfer));
  });
  document.addEventListener("keydown", pressed);
  at("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    useToken(at("token").value);
    begin();
  });
  at("keep").addEventListener("change", ({ target }) => remembered(target.checked));
  at("download").addEventListener("click", async () => save(await corrections.folder(), "corrections.zip"));
  at("forget").addEventListener("click", async () => {
    await corrections.forget();
    await showKept();
  });
}

const pictureOf = (data) => [...(data?.files ?? [])].find((file) => file.type.startsWith("image/"));

function pressed(event) {
  if (event.target.matches("input:not([type=checkbox], [type=range]), select, dialog *")) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
    event.preventDefault();
    if (!sheet.empty) sheet.undo();
  } else if (event.ctrlKey || event.metaKey || event.altKey) {
    return;
  } else if (/^[0-9]$/.test(event.key)) {
    mend(Number(event.key));
  } else if (event.key === "Delete") {
    sheet.clear();
  }
}

function showTabs(address) {
  const tabs = [at("tab-draw"), at("tab-report")];
  const select = (tab) => {
    for (const one of tabs) {
      one.setAttribute("aria-selected", one === tab);
      one.tabIndex = one === tab ? 0 : -1;
      at(one.getAttribute("aria-controls")).hidden = one !== tab;
    }
    if (tab === tabs[1] && !at("report").firstChild) {
      const frame = document.createElement("iframe");
      frame.title = "The report of a run";
      frame.src = address;
      at("report").append(frame);
    }
  };
  for (const [i, tab] of tabs.entries()) {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", ({ key }) => {
      if (key !== "ArrowLeft" && key !== "ArrowRight") return;
      select(tabs[1 - i]);
      tabs[1 - i].focus();
    });
  }
  at("draw").setAttribute("role", "tabpanel");
  at("draw").setAttribute("aria-labelledby", "tab-draw");
  at("tabs").hidden = false;
}

async function begin() {
  try {
    backend = await findBackend();
  } catch (error) {
    complain(error);
    return;
  }
  complain(null);
  const { name, members } = backend.model;
  const n = members?.length ?? members ?? 1;
  at("model").textContent = `${name}, ${n === 1 ? "one network" : `${n} networks`}`;
  for (const option of [...at("layout").options]) if (!backend.layouts.includes(option.value)) option.remove();
  if (backend.report && at("tabs").hidden) showTabs(backend.report);
  at("draw").dataset.ready = "yes";
  changed();
}

listen();
at("keep").checked = remembered();
if (at("keep").checked) showKept().catch((error) => complain(error, "Not kept"));
begin();

// The page: connects the drawing canvas, the backend that reads it, and what is shown.

import { findBackend, setToken } from "./backend.js";
import { DrawingCanvas } from "./canvas.js";
import * as corrections from "./corrections.js";
import { findDigit } from "./reader/single-digit.js";
import { cellsCsv, digitCard, hasCells, numberItems, shownDigits, summary } from "./result.js";

const READ_INTERVAL_MS = 60; // between two readings while the pen moves
const MAX_LARGE = 3; // numbers that are shown in large digits

const byId = (id) => document.getElementById(id);
export const canvas = new DrawingCanvas(byId("canvas"), requestReading);
const labels = new Map(); // the user's corrections, by the pixels of a digit's image
let backend = null;
const NOTHING = { rows: null, columns: null, numbers: [] };
export let page = NOTHING; // what was read
let selected = 0; // of the digits of all numbers
let pendingReading = null; // a promise
let changed = false; // whether the canvas has changed since the last reading began

const keyOf = ({ image }) => `${image.w}:${image.data}`;
const labelOf = (digit) => labels.get(keyOf(digit));

// Reading -------------------------------------------------------------------------------------

function requestReading() {
  byId("hint").hidden = !canvas.empty;
  byId("undo").disabled = byId("clear").disabled = canvas.empty;
  changed = true;
  pendingReading ??= readCanvas().finally(() => (pendingReading = null));
}

/** Wait until everything on the canvas has been read. */
export async function readingDone() {
  while (pendingReading) await pendingReading;
}

async function readCanvas() {
  while (changed && backend) {
    changed = false;
    try {
      const start = performance.now();
      const result = canvas.empty ? NOTHING : await backend.read(canvas, byId("layout").value);
      const milliseconds = performance.now() - start;
      if (changed && !canvas.drawing && !canvas.empty) continue; // outdated already
      showError(null);
      showPage(canvas.empty ? NOTHING : result, milliseconds);
    } catch (error) {
      showError(error);
    }
    if (canvas.drawing) await new Promise((done) => setTimeout(done, READ_INTERVAL_MS));
  }
}

function showPage(newPage, milliseconds) {
  if (shownDigits(newPage).length !== shownDigits(page).length) selected = 0;
  page = newPage;
  byId("draw").dataset.milliseconds = milliseconds?.toFixed(1) ?? "";
  byId("numbers").classList.toggle("many", page.numbers.length > MAX_LARGE);
  byId("numbers").setAttribute("aria-hidden", !hasCells(page)); // else the summary has all of it
  byId("save").hidden = !hasCells(page);
  showDigits();
  byId("duration").textContent = milliseconds && !canvas.empty ? `(${Math.round(milliseconds)} ms)` : "";
  if (canvas.empty) setStatus(backend.privacy);
  else if (!canvas.drawing) setStatus(summary(page, labelOf)); // announced: not at each move
}

function showDigits() {
  byId("numbers").replaceChildren(...numberItems(page, labelOf, selected, select));
  showCards();
}

function showCards() {
  const focused = document.activeElement?.closest?.("#digits li");
  const position = focused ? [...byId("digits").children].indexOf(focused) : -1;
  const shown = shownDigits(page);
  byId("digits").replaceChildren(...shown.map((one, i) => digitCard(one, {
    label: labelOf(one.digit),
    selected: i === selected,
    onSelect: () => select(i),
    onCorrect: correct,
  })));
  byId("legend").hidden = !shown.length;
  if (position < 0) return;
  byId("digits").children[Math.min(position, shown.length - 1)]?.querySelector("button").focus();
}

function setStatus(text) {
  if (byId("status").textContent !== text) byId("status").textContent = text;
}

function showError(error, prefix = "Not read") {
  byId("error").hidden = !error;
  byId("error").textContent = error ? `${prefix}: ${error.message}` : "";
  byId("token-form").hidden = error?.status !== 401;
}

// Corrections ---------------------------------------------------------------------------------

function select(i) {
  selected = i;
  showDigits();
}

async function correct(label) {
  const digit = shownDigits(page)[selected]?.digit;
  if (!digit) return;
  labels.set(keyOf(digit), label);
  showPage(page);
  if (!byId("keep").checked) return;
  try {
    await corrections.keep(asMnist(digit.image), label);
    await showCorrectionCount();
  } catch (error) {
    showError(error, "Not kept");
  }
}

/** The 784 bytes of a digit as networks are trained on it: the detector sees a part of the picture. */
function asMnist(image) {
  if (byId("layout").value === "single") return image.data;
  const found = findDigit({ channels: 1, ...image });
  if (!found) throw new Error("nothing stands out from the paper");
  return found.image.data;
}

/** Store the user's choice to keep corrections, if given, and return it; storage may be blocked. */
function keepCorrections(choice) {
  try {
    if (choice === true) localStorage.setItem("keep", "yes");
    if (choice === false) localStorage.removeItem("keep");
    return localStorage.getItem("keep") === "yes";
  } catch {
    return false;
  }
}

async function showCorrectionCount() {
  const n = await corrections.count();
  byId("kept").hidden = !n;
  byId("kept-count").textContent = n === 1 ? "1 correction is kept." : `${n} corrections are kept.`;
}

function download(content, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Pictures ------------------------------------------------------------------------------------

async function openPicture(file) {
  if (!file) return;
  try {
    await canvas.setPicture(file);
  } catch {
    showError(new Error(`this browser cannot show ${file.name || "this"} as a picture`));
  }
}

async function openCamera() {
  if (matchMedia("(pointer: coarse)").matches || !navigator.mediaDevices?.getUserMedia) {
    byId("capture").click();
    return;
  }
  try {
    const video = byId("video");
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    await video.play();
    byId("viewfinder").showModal();
  } catch {
    showError(new Error("no camera is available to this page"));
  }
}

async function takePicture() {
  const video = byId("video");
  const frame = document.createElement("canvas");
  [frame.width, frame.height] = [video.videoWidth, video.videoHeight];
  frame.getContext("2d").drawImage(video, 0, 0);
  byId("viewfinder").close();
  await openPicture(await new Promise((done) => frame.toBlob(done)));
}

const pictureIn = (data) => [...(data?.files ?? [])].find((file) => file.type.startsWith("image/"));

// Controls ------------------------------------------------------------------------------------

function addListeners() {
  const on = (id, event, listener) => byId(id).addEventListener(event, listener);
  on("undo", "click", () => canvas.undo());
  on("clear", "click", () => canvas.clear());
  on("pen", "input", ({ target }) => (canvas.penWidth = Number(target.value)));
  on("layout", "change", requestReading);
  on("save", "click", () => download(cellsCsv(page, labelOf), "cells.csv", "text/csv"));
  for (const id of ["file", "capture"]) {
    on(id, "change", ({ target }) => {
      openPicture(target.files[0]);
      target.value = "";
    });
  }
  on("camera", "click", openCamera);
  on("shoot", "click", takePicture);
  on("close", "click", () => byId("viewfinder").close());
  on("viewfinder", "close", () => {
    for (const track of byId("video").srcObject?.getTracks() ?? []) track.stop();
  });
  on("token-form", "submit", (event) => {
    event.preventDefault();
    setToken(byId("token").value);
    connect();
  });
  on("keep", "change", ({ target }) => keepCorrections(target.checked));
  on("download", "click", async () => download(await corrections.zipFolder(), "corrections.zip", "application/zip"));
  on("forget", "click", async () => {
    await corrections.deleteAll();
    await showCorrectionCount();
  });
  document.addEventListener("keydown", onKey);
  document.addEventListener("paste", ({ clipboardData }) => openPicture(pictureIn(clipboardData)));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    openPicture(pictureIn(event.dataTransfer));
  });
}

function onKey(event) {
  if (event.target.matches("input:not([type=checkbox], [type=range]), select, dialog *")) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
    event.preventDefault();
    if (!canvas.empty) canvas.undo();
  } else if (event.ctrlKey || event.metaKey || event.altKey) {
    return;
  } else if (/^[0-9]$/.test(event.key)) {
    correct(Number(event.key));
  } else if (event.key === "Delete") {
    canvas.clear();
  }
}

function showTabs(reportUrl) {
  const tabs = [byId("tab-draw"), byId("tab-report")];
  const open = (tab) => {
    for (const one of tabs) {
      one.setAttribute("aria-selected", one === tab);
      one.tabIndex = one === tab ? 0 : -1;
      byId(one.getAttribute("aria-controls")).hidden = one !== tab;
    }
    if (tab === tabs[1] && !byId("report").firstChild) {
      const frame = document.createElement("iframe");
      byId("report").append(Object.assign(frame, { title: "The report of a run", src: reportUrl }));
    }
  };
  for (const [i, tab] of tabs.entries()) {
    tab.addEventListener("click", () => open(tab));
    tab.addEventListener("keydown", ({ key }) => {
      if (key !== "ArrowLeft" && key !== "ArrowRight") return;
      open(tabs[1 - i]);
      tabs[1 - i].focus();
    });
  }
  byId("draw").setAttribute("role", "tabpanel");
  byId("draw").setAttribute("aria-labelledby", "tab-draw");
  byId("tabs").hidden = false;
}

async function connect() {
  try {
    backend = await findBackend();
  } catch (error) {
    showError(error);
    return;
  }
  showError(null);
  const { name, members } = backend.model;
  byId("model").textContent = `${name}, ${members === 1 ? "one network" : `${members} networks`}`;
  if (backend.reportUrl && byId("tabs").hidden) showTabs(backend.reportUrl);
  byId("draw").dataset.ready = "yes";
  requestReading();
}

addListeners();
byId("keep").checked = keepCorrections();
if (byId("keep").checked) showCorrectionCount().catch((error) => showError(error, "Not kept"));
connect();

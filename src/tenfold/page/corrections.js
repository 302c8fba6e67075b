// The corrections, stored in this browser, and as a zip of an image folder.

import { zip } from "./zip.js";

const STORE = "corrections";

function openDatabase() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("tenfold", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(new Error("this browser stores nothing for this page"));
  });
}

async function transact(mode, run) {
  const connection = await openDatabase();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = connection.transaction(STORE, mode);
      const request = run(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(new Error("the browser's storage is full"));
    });
  } finally {
    connection.close();
  }
}

/** Store an image of 784 bytes and its digit; the same image is stored once. */
export async function keep(image, digit) {
  const key = await imageKey(image);
  await transact("readwrite", (store) => store.put({ image: Uint8Array.from(image), digit }, key));
}

/** Delete what is stored of an image. */
export async function discard(image) {
  const key = await imageKey(image);
  await transact("readwrite", (store) => store.delete(key));
}

export const count = () => transact("readonly", (store) => store.count());
export const deleteAll = () => transact("readwrite", (store) => store.clear());

/** Return a zip of the folders `0/` ... `9/`, with a PNG for each correction. */
export async function zipFolder() {
  const kept = await transact("readonly", (store) => store.getAll());
  const names = await Promise.all(kept.map(async ({ image, digit }) => `${digit}/${(await imageKey(image)).slice(0, 16)}.png`));
  const pngs = await Promise.all(kept.map(({ image }) => toPng(image, 28, 28)));
  return zip(pngs.map((png, i) => [names[i], png]));
}

async function toPng(greys, w, h) {
  const pixels = new ImageData(w, h);
  greys.forEach((grey, i) => pixels.data.set([grey, grey, grey, 255], 4 * i));
  const canvas = new OffscreenCanvas(w, h);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer());
}

/** A name made of an image's bytes: their hash, which browsers compute only over HTTPS, or some of them. */
async function imageKey(image) {
  const bytes = Uint8Array.from(image);
  const hash = crypto.subtle
    ? new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))
    : bytes.filter((_, i) => i % 8 < 2);
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

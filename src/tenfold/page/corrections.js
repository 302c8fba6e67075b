// The corrections, stored in this browser, and as a zip of an image folder.

import { crc32, zip } from "./zip.js";

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

/** Store an image of 784 bytes and its digit, "" for none; the same image is stored once. */
export const keep = (image, digit) =>
  transact("readwrite", (store) => store.put({ image: Uint8Array.from(image), digit }, image.join()));

/** Delete what is stored of an image. */
export const discard = (image) => transact("readwrite", (store) => store.delete(image.join()));

export const count = () => transact("readonly", (store) => store.count());
export const deleteAll = () => transact("readwrite", (store) => store.clear());

/** Return a zip of the folders `0/` ... `9/` and `none/`, with a PNG for each correction. */
export async function zipFolder() {
  const kept = await transact("readonly", (store) => store.getAll());
  return zip(await Promise.all(kept.map(async ({ image, digit }) =>
    [`${digit === "" ? "none" : digit}/${crc32(image).toString(16)}.png`, await toPng(image, 28, 28)])));
}

async function toPng(greys, w, h) {
  const pixels = new ImageData(w, h);
  greys.forEach((grey, i) => pixels.data.set([grey, grey, grey, 255], 4 * i));
  const canvas = new OffscreenCanvas(w, h);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer());
}

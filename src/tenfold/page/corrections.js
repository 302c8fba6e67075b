// Corrections, kept in this browser, and as a zip of an image folder.

import { grayPng, zip } from "./files.js";

const STORE = "corrections";

function database() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("tenfold", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(new Error("this browser keeps nothing for this page"));
  });
}

async function transact(mode, act) {
  const opened = await database();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = opened.transaction(STORE, mode);
      const request = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(new Error("the correction could not be kept: no room left"));
    });
  } finally {
    opened.close();
  }
}

/** Keep an image of 784 bytes and its digit; the same image is kept once. */
export async function keep(image, digit) {
  const hash = await digest(image);
  await transact("readwrite", (store) => store.put({ image: Uint8Array.from(image), digit }, hash));
}

export const count = () => transact("readonly", (store) => store.count());
export const forget = () => transact("readwrite", (store) => store.clear());

/** All of them: a zip of `0/` ... `9/`, with a PNG each. */
export async function folder() {
  const kept = await transact("readonly", (store) => store.getAll());
  const names = await Promise.all(kept.map(async ({ image, digit }) => `${digit}/${(await digest(image)).slice(0, 16)}.png`));
  return zip(kept.map(({ image }, i) => [names[i], grayPng(image, 28, 28)]));
}

/** A name for an image: its contents, hashed where the page may (not over plain HTTP). */
async function digest(image) {
  const bytes = Uint8Array.from(image);
  const hash = crypto.subtle
    ? new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))
    : bytes.filter((_, i) => i % 8 < 2);
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Read pictures with the page's reader: node read_pictures.mjs READER PICTURES REJECTION_THRESHOLD
//
// PICTURES: a line of JSON [[w, h, channels, layout], ...], then all bytes. The network is at the
// other end: a line {"count": n, "images": base64} is answered by a line of probabilities [n][10];
// then comes a line {"readings": [...]} for each picture.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [, , reader, pictures, threshold] = process.argv;
const { read } = await import(pathToFileURL(reader));
const bytes = readFileSync(pictures);
const end = bytes.indexOf("\n");
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const send = (value) => process.stdout.write(JSON.stringify(value) + "\n");

async function classify(images, n) {
  send({ count: n, images: Buffer.from(images).toString("base64") });
  const probabilities = JSON.parse((await answers.next()).value);
  return { probabilities, members: probabilities.map((p) => [p]) };
}

let at = end + 1;
for (const [w, h, channels, layout] of JSON.parse(bytes.subarray(0, end))) {
  const data = new Uint8Array(bytes.subarray(at, (at += w * h * channels)));
  const start = performance.now();
  const readings = await read({ w, h, channels, data }, layout, { rejectionThreshold: Number(threshold), classify });
  const plain = readings.map((one) => ({ ...one, image: Buffer.from(one.image).toString("base64") }));
  send({ readings: plain, milliseconds: performance.now() - start });
}
process.exit();

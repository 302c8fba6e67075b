// Read pictures with the page's reader and its networks: node read_pictures.mjs SITE PICTURES
//
// SITE: a folder that `write_site` wrote. PICTURES: a line of JSON [[w, h, channels, layout], ...],
// then all bytes. For each picture a line {"rows", "columns", "numbers", "milliseconds"} is printed.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [, , folder, pictures] = process.argv;
const site = pathToFileURL(folder + "/");
const file = (name) => new Uint8Array(readFileSync(new URL(name, site)));
const ort = await import(new URL("runtime/ort.wasm.min.mjs", site));
const { openNetworks } = await import(new URL("reader/networks.js", site));
const { read } = await import(new URL("reader/reader.js", site));
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = new URL("runtime/", site).href;
const model = JSON.parse(readFileSync(new URL("model.json", site)));
const networks = await openNetworks(ort, file, model);

const bytes = readFileSync(pictures);
const end = bytes.indexOf("\n");
let at = end + 1;
for (const [w, h, channels, layout] of JSON.parse(bytes.subarray(0, end))) {
  const data = new Uint8Array(bytes.subarray(at, (at += w * h * channels)));
  const start = process.cpuUsage();
  const { rows, columns, numbers } = await read({ w, h, channels, data }, { layout }, networks, model);
  const { user, system } = process.cpuUsage(start);
  const base64 = ({ image, ...digit }) =>
    ({ ...digit, image: { w: image.w, h: image.h, data: Buffer.from(image.data).toString("base64") } });
  const plain = numbers.map((number) => ({ ...number, digits: number.digits.map(base64) }));
  const line = JSON.stringify({ rows, columns, numbers: plain, milliseconds: (user + system) / 1000 }) + "\n";
  await new Promise((done) => process.stdout.write(line, done)); // else exit() may cut it
}
process.exit();

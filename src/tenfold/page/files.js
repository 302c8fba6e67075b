// A grey PNG and a zip, both uncompressed: a digit is less than a kilobyte.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function adler32(bytes) {
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return ((b << 16) | a) >>> 0;
}

const ascii = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const big = (n) => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);
const small = (n) => Uint8Array.of(n, n >>> 8);
const wide = (n) => Uint8Array.of(n, n >>> 8, n >>> 16, n >>> 24);

function joined(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}

/** Bytes of w x h greys, less than 64 KiB, as a PNG. */
export function grayPng(pixels, w, h) {
  const rows = new Uint8Array((w + 1) * h); // each begins with its filter: none
  for (let y = 0; y < h; y++) rows.set(pixels.subarray(y * w, (y + 1) * w), y * (w + 1) + 1);
  const stored = joined(
    Uint8Array.of(0x78, 1, 1), small(rows.length), small(~rows.length), rows, big(adler32(rows)));
  const chunk = (name, data) => {
    const body = joined(ascii(name), data);
    return joined(big(data.length), body, big(crc32(body)));
  };
  const header = joined(big(w), big(h), Uint8Array.of(8, 0, 0, 0, 0));
  const mark = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10);
  return joined(mark, chunk("IHDR", header), chunk("IDAT", stored), chunk("IEND", new Uint8Array()));
}

/** Files [[name, bytes], ...] as a zip. */
export function zip(files) {
  const [locals, entries] = [[], []];
  let offset = 0;
  for (const [name, bytes] of files) {
    // Version, no flags, stored; noon on the first of January 1980: contents, not times, are kept.
    const facts = joined(small(20), small(0), small(0), small(0x6000), small(0x21),
      wide(crc32(bytes)), wide(bytes.length), wide(bytes.length), small(name.length), small(0));
    const local = joined(wide(0x04034b50), facts, ascii(name), bytes);
    entries.push(joined(wide(0x02014b50), small(20), facts, small(0), small(0), small(0), wide(0),
      wide(offset), ascii(name)));
    locals.push(local);
    offset += local.length;
  }
  const directory = joined(...entries);
  const end = joined(wide(0x06054b50), small(0), small(0), small(files.length), small(files.length),
    wide(directory.length), wide(offset), small(0));
  return joined(...locals, directory, end);
}

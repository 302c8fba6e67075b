// Writers of a grey PNG and of a zip, both uncompressed: a digit is less than a kilobyte.

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
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
// Unsigned numbers as bytes, little endian unless the name says big endian.
const u32be = (n) => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);
const u16 = (n) => Uint8Array.of(n, n >>> 8);
const u32 = (n) => Uint8Array.of(n, n >>> 8, n >>> 16, n >>> 24);

function concat(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}

/** Return a PNG of w x h grey levels, less than 64 KiB. */
export function grayPng(pixels, w, h) {
  const rows = new Uint8Array((w + 1) * h); // each row begins with its filter, 0: none
  for (let y = 0; y < h; y++) rows.set(pixels.subarray(y * w, (y + 1) * w), y * (w + 1) + 1);
  const stored = concat(
    Uint8Array.of(0x78, 1, 1), u16(rows.length), u16(~rows.length), rows, u32be(adler32(rows)));
  const chunk = (name, data) => {
    const body = concat(ascii(name), data);
    return concat(u32be(data.length), body, u32be(crc32(body)));
  };
  const header = concat(u32be(w), u32be(h), Uint8Array.of(8, 0, 0, 0, 0));
  const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10);
  return concat(signature, chunk("IHDR", header), chunk("IDAT", stored), chunk("IEND", new Uint8Array()));
}

/** Return a zip of files [[name, bytes], ...]. */
export function zip(files) {
  const [locals, entries] = [[], []];
  let offset = 0;
  for (const [name, bytes] of files) {
    // Version, no flags, stored, a fixed date (noon, 1 January 1980), checksum and sizes.
    const header = concat(u16(20), u16(0), u16(0), u16(0x6000), u16(0x21),
      u32(crc32(bytes)), u32(bytes.length), u32(bytes.length), u16(name.length), u16(0));
    const local = concat(u32(0x04034b50), header, ascii(name), bytes);
    entries.push(concat(u32(0x02014b50), u16(20), header, u16(0), u16(0), u16(0), u32(0),
      u32(offset), ascii(name)));
    locals.push(local);
    offset += local.length;
  }
  const directory = concat(...entries);
  const end = concat(u32(0x06054b50), u16(0), u16(0), u16(files.length), u16(files.length),
    u32(directory.length), u32(offset), u16(0));
  return concat(...locals, directory, end);
}

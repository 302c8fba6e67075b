// A writer of zips, uncompressed: what is in them is PNGs.

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

const ascii = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
// Unsigned numbers as bytes, little endian.
const u16 = (n) => Uint8Array.of(n, n >>> 8);
const u32 = (n) => Uint8Array.of(n, n >>> 8, n >>> 16, n >>> 24);

function concat(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
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

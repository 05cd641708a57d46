/** Users as keyed hashes: rows of one user are found together, and nobody without the key can say who it is. */

const encoder = new TextEncoder();
const keys = new Map<string, CryptoKey>();

/** HMAC-SHA-256 of `user` under `key`, its first 32 hex digits. A key of 64 hex digits is taken as its 32 bytes. */
export async function userHash(user: string, key: string): Promise<string> {
  const signed = await crypto.subtle.sign("HMAC", await imported(key), encoder.encode(user));
  let text = "";
  for (const byte of new Uint8Array(signed, 0, 16)) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** The key itself is kept, not the promise of it: one that began in a request that was ended never settles for others. */
async function imported(key: string): Promise<CryptoKey> {
  const found = keys.get(key);
  if (found) return found;
  const made = await crypto.subtle.importKey("raw", bytesOf(key), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  keys.clear(); // one key at a time: an old one is of no use
  keys.set(key, made);
  return made;
}

function bytesOf(key: string): Uint8Array<ArrayBuffer> {
  if (!/^[0-9a-f]{64}$/i.test(key)) return new Uint8Array(encoder.encode(key));
  return Uint8Array.from(key.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Node's and Bun's own implementation is several times faster than the web's; elsewhere there is only the latter. */
const NodeBuffer = (globalThis as { Buffer?: typeof Buffer }).Buffer;

const encoder = new TextEncoder();

/** Bytes of `text` on the wire. */
export function utf8ByteLength(text: string): number {
  return NodeBuffer === undefined ? encoder.encode(text).byteLength : NodeBuffer.byteLength(text);
}

export function encodeUtf8(text: string): Uint8Array {
  return NodeBuffer === undefined ? encoder.encode(text) : NodeBuffer.from(text);
}

/** @param byteLength of all parts together */
export function concatBytes(parts: readonly Uint8Array[], byteLength: number): Uint8Array {
  // Every byte is written below, so the memory need not be cleared first.
  const bytes = NodeBuffer === undefined ? new Uint8Array(byteLength) : NodeBuffer.allocUnsafe(byteLength);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}

/** Node's and Bun's own implementation is several times faster than the web's; elsewhere there is only the latter. */
const NodeBuffer = (globalThis as { Buffer?: typeof Buffer }).Buffer;

const encoder = new TextEncoder();

/** Bytes of `text` on the wire. */
export function utf8ByteLength(text: string): number {
  return NodeBuffer === undefined ? encoder.encode(text).byteLength : NodeBuffer.byteLength(text);
}

/** @param byteLength as {@link utf8ByteLength} says: a text with one byte per character is copied, not converted */
export function encodeUtf8(text: string, byteLength: number): Uint8Array {
  if (NodeBuffer === undefined) return encoder.encode(text);
  return NodeBuffer.from(text, byteLength === text.length ? 'latin1' : 'utf8');
}

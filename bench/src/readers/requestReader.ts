const HEAD_END = Buffer.from('\r\n\r\n');
const LENGTH = Buffer.from('content-length: ');
const CARRIAGE_RETURN = 0x0d;

/**
 * Splits what arrives on one connection into requests. It knows just enough of HTTP/1.1 for requests with a length, so
 * that receiving costs little next to sending.
 */
export class RequestReader {
  #rest: Buffer | undefined;

  /** @param take is given each complete request, head and body. */
  read(chunk: Buffer, take: (request: Buffer) => void): void {
    let bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const headEnd = bytes.indexOf(HEAD_END);
      if (headEnd === -1) break;
      const end = headEnd + HEAD_END.length + contentLength(bytes, headEnd);
      if (bytes.length < end) break;
      take(bytes.subarray(0, end));
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes.length === 0 ? undefined : bytes;
  }
}

function contentLength(bytes: Buffer, headEnd: number): number {
  const at = bytes.indexOf(LENGTH);
  if (at === -1 || at > headEnd) return 0;
  let length = 0;
  for (let place = at + LENGTH.length; bytes[place] !== CARRIAGE_RETURN; place++) {
    length = length * 10 + (bytes[place] ?? 0x30) - 0x30;
  }
  return length;
}

/** What came of reading the body of a request. */
export type ReadBody =
  | { readonly kind: 'message'; readonly message: unknown; readonly byteLength: number }
  /** Not JSON, or nothing at all. */
  | { readonly kind: 'invalid' }
  /** More than was allowed. */
  | { readonly kind: 'tooLarge' }
  /** The connection broke. */
  | { readonly kind: 'unreadable' };

/**
 * Reads the body of a request as JSON, at most so many bytes of it. The request itself stays unread, so that whoever it is
 * passed on to can do with it as before. Never rejects.
 */
export async function readBody(request: Request, maxBytes: number): Promise<ReadBody> {
  // Whoever read it keeps the parsed body to itself; the SDK says what is wrong.
  if (request.bodyUsed) return { kind: 'invalid' };
  if (Number(request.headers.get('content-length')) > maxBytes) return { kind: 'tooLarge' };
  const { body } = request.clone();
  if (body === null) return { kind: 'invalid' };
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let byteLength = 0;
  let text = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      byteLength += value.byteLength;
      if (byteLength > maxBytes) {
        // Not waited for: it ends only when the other reader of these bytes is through, too.
        reader.cancel().catch(() => {});
        return { kind: 'tooLarge' };
      }
      text += decoder.decode(value, { stream: true });
    }
    text += decoder.decode();
  } catch {
    return { kind: 'unreadable' };
  }
  try {
    return { kind: 'message', message: JSON.parse(text), byteLength };
  } catch {
    return { kind: 'invalid' };
  }
}

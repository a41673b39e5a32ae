/** The bytes of a body, asked for one chunk at a time. */
export interface Chunks {
  next(): Promise<{ done?: boolean | undefined; value?: Uint8Array | undefined }>;
  /** Nothing more is wanted, also while `next` waits. */
  cancel(): void;
}

type Bytes = ReadableStream<Uint8Array>;
type Iterable = { [Symbol.asyncIterator]?: () => AsyncIterator<Uint8Array, undefined> };

/**
 * A body with an iterator of its own is asked through that: it may have its chunks at hand without the queues of a stream.
 * Any other is read by a reader, because the iterator of a plain stream cannot be ended while it waits.
 */
export function chunksOf(body: Bytes): Chunks {
  const iterate = (body as Iterable)[Symbol.asyncIterator];
  if (iterate !== undefined && iterate !== (ReadableStream.prototype as Iterable)[Symbol.asyncIterator]) {
    const iterator = iterate.call(body);
    return {
      next: () => iterator.next(),
      cancel: () => void iterator.return?.().catch(() => {}),
    };
  }
  const reader = body.getReader();
  return {
    next: () => reader.read(),
    cancel: () => void reader.cancel().catch(() => {}),
  };
}

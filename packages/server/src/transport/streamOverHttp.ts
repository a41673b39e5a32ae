import { Methods } from '@mcp-events/protocol';
import type { RequestSlot } from './slots.ts';

/**
 * Answers `events/stream`: the SDK does everything but write the body of a stream that was opened, because its own queue
 * for it has no bound. Whatever else comes of the request, the stream ends with it.
 */
export async function streamOverHttp(
  slot: RequestSlot,
  signal: AbortSignal,
  answerOfSdk: () => Promise<Response>,
): Promise<Response> {
  try {
    const answer = await answerOfSdk();
    const { message, response } = await firstMessage(answer);
    const channel = slot.take();
    if (channel === undefined) return response();
    if (answer.status !== 200 || !isResult(message)) {
      channel.abandon();
      return response();
    }
    // Whatever the SDK makes of that, the stream is ours by now.
    await response()
      .body?.cancel()
      .catch(() => {});
    return channel.response(message, signal);
  } finally {
    slot.abandon();
  }
}

/** Whether this message asks for a stream. */
export function isStreamRequest(message: unknown): boolean {
  return (message as { method?: unknown } | null)?.method === Methods.stream;
}

interface Answer {
  /** JSON of the first JSON-RPC message. */
  readonly message: string | undefined;
  /** The whole answer, as it was. To be used once. */
  readonly response: () => Response;
}

/**
 * Reads an answer as far as its first message. Older sessions are always answered by server-sent events, as are newer
 * ones where the SDK was told so.
 */
async function firstMessage(answer: Response): Promise<Answer> {
  const { status, headers, body } = answer;
  if (body === null) return { message: undefined, response: () => answer };
  if (headers.get('content-type')?.startsWith('text/event-stream') !== true) {
    const text = await answer.text();
    return { message: text, response: () => new Response(text, { status, headers }) };
  }
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const read: Uint8Array[] = [];
  let text = '';
  let message: string | undefined;
  while (message === undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    read.push(value);
    text += decoder.decode(value, { stream: true });
    message = messageIn(text);
  }
  const whole = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const chunk = read.shift() ?? (await reader.read()).value;
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    // Nothing is read ahead of the consumer.
    { highWaterMark: 0 },
  );
  return { message, response: () => new Response(whole, { status, headers }) };
}

/** Data of the first complete frame that has any; comments and frames without data only keep a connection open. */
function messageIn(text: string): string | undefined {
  const frames = text.split('\n\n').slice(0, -1);
  for (const frame of frames) {
    const lines = frame.split('\n').filter((line) => line.startsWith('data:'));
    const data = lines.map((line) => line.slice('data:'.length).trim()).join('\n');
    if (data !== '') return data;
  }
  return undefined;
}

function isResult(message: string | undefined): message is string {
  if (message === undefined) return false;
  try {
    return (JSON.parse(message) as { result?: unknown } | null)?.result !== undefined;
  } catch {
    return false;
  }
}

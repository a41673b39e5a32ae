import assert from 'node:assert/strict';
import { WebhookReceiver } from '@mcp-events/client/receiver';
import type { WebhookMessage } from '@mcp-events/client/receiver';
import { createWebhookSecret } from '@mcp-events/protocol';
import { libraries, libraryNames } from './libraries.ts';
import { listen } from './support/listen.ts';
import type { Row } from './table.ts';

const SUBSCRIPTION_ID = 'sub_1';

const event = {
  eventId: 'build-1',
  name: 'build.finished',
  timestamp: '2026-11-20T10:15:00Z',
  data: { build: 'b-1 – ✓' },
  cursor: null,
};

/** One message, as a server that signs with a published library would post it. */
interface Message {
  readonly what: string;
  readonly id?: string;
  readonly body: string;
  readonly signedAt?: Date;
  /** Signed with a secret the receiver does not know. */
  readonly isForged?: boolean;
  /** What stands in the header around the library's signature. */
  readonly header?: (signature: string) => string;
  readonly expected: 'accepted' | 'echoed' | 'refused' | 'known';
}

const MINUTE_MS = 60_000;

function messages(): Message[] {
  // Odd spacing and escapes: signatures are over bytes, not over JSON.
  const body = ` ${JSON.stringify(event, null, 3).replace('✓', '\\u2713')}\n`;
  const expired = new Date(Date.now() - 6 * MINUTE_MS);
  return [
    { what: 'verification', id: 'msg_1', body: '{"type":"verification","challenge":"c-1"}', expected: 'echoed' },
    { what: 'event', id: 'msg_2', body, expected: 'accepted' },
    { what: 'event, the same again', id: 'msg_2', body, expected: 'known' },
    { what: 'gap', body: '{"type":"gap","cursor":"c-2"}', expected: 'accepted' },
    {
      what: 'event, second of three signatures',
      body: JSON.stringify({ ...event, eventId: 'build-2' }),
      header: (signature) => `v1a,unknown ${signature} v1,${'A'.repeat(43)}=`,
      expected: 'accepted',
    },
    { what: 'event, six minutes old', body, signedAt: expired, expected: 'refused' },
    { what: 'event, another secret', body, isForged: true, expected: 'refused' },
    {
      what: 'terminated',
      body: '{"type":"terminated","error":{"code":-32024,"message":"no access"}}',
      expected: 'accepted',
    },
  ];
}

/**
 * Messages signed by the published libraries, posted to the receiver of the client package.
 *
 * @throws AssertionError if it takes one differently than expected
 */
export async function librariesToReceiver(): Promise<Row[]> {
  const verdicts = await Promise.all(libraryNames.map((library) => postAll(library)));
  return messages().map(({ what }, index) => [what, ...verdicts.map((column) => column[index] ?? '')]);
}

async function postAll(library: keyof typeof libraries): Promise<string[]> {
  const received: WebhookMessage[] = [];
  const secret = createWebhookSecret();
  const receiver = new WebhookReceiver();
  const callback = receiver.register({
    path: library,
    secret,
    id: SUBSCRIPTION_ID,
    accept: (message) => {
      received.push(message);
      return 'accepted';
    },
  });
  const listener = await listen(receiver.handle);
  try {
    const verdicts: string[] = [];
    for (const message of messages()) {
      const before = received.length;
      const { status, body } = await post(library, `${listener.origin}/hooks/${library}`, secret, message);
      const verdict = verdictOf(status, body, received.length - before);
      assert.equal(verdict, message.expected, `${library}, ${message.what}: HTTP ${status} ${body}`);
      verdicts.push(verdict);
    }
    const texts = received.flatMap((message) => (message.kind === 'event' ? [message.event.data['build']] : []));
    assert.deepEqual(texts, ['b-1 – ✓', 'b-1 – ✓']);
    assert.deepEqual(
      received.map(({ kind }) => kind),
      ['event', 'gap', 'event', 'terminated'],
    );
    return verdicts;
  } finally {
    callback.close();
    await listener.close();
  }
}

async function post(
  library: keyof typeof libraries,
  url: string,
  secret: string,
  { what, id = `msg_${what.replaceAll(/\W/g, '_')}`, body, signedAt = new Date(), isForged, header }: Message,
): Promise<{ status: number; body: string }> {
  const signer = new libraries[library](isForged === true ? createWebhookSecret() : secret);
  const signature = signer.sign(id, signedAt, body);
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(signedAt.getTime() / 1_000)),
      'webhook-signature': header?.(signature) ?? signature,
      'x-mcp-subscription-id': SUBSCRIPTION_ID,
    },
    body,
  });
  return { status: response.status, body: await response.text() };
}

function verdictOf(status: number, body: string, handedOver: number): Message['expected'] {
  if (status < 200 || status > 299) return 'refused';
  if (handedOver === 1) return 'accepted';
  return body.includes('"challenge":"c-1"') ? 'echoed' : 'known';
}

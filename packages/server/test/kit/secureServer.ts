import type { Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { EventsOptions } from '@mcp-events/server';
import { createAuthority, selfSigned } from './certificates.ts';
import { Recorder } from './recorder.ts';
import type { Answer, RecordedRequest } from './recorder.ts';
import { webhookServer } from './webhookServer.ts';
import type { TestWebhookOptions, WebhookTestServer } from './webhookServer.ts';

/** A callback of an origin nobody vouches for: its endpoint has to consent. */
export const STRANGER = 'https://hooks.example/a';

/** What every name resolves to. Globally reachable as far as its text goes, and never dialled for real. */
export const PUBLIC_ADDRESS = '20.30.40.50';

const authority = await createAuthority();
const valid = createSecureContext(await authority.issue(['hooks.example', '*.hooks.example', 'other.example']));
const untrusted = createSecureContext(await selfSigned('hooks.example'));

/** A {@link Recorder} that speaks HTTPS on port 443. */
export class SecureRecorder extends Recorder {
  certificate: 'valid' | 'untrusted' = 'valid';

  override accept(socket: Socket, port: number): void {
    if (port !== 443) {
      super.accept(socket, port);
      return;
    }
    const secureContext = this.certificate === 'valid' ? valid : untrusted;
    const secured = new TLSSocket(socket, { isServer: true, secureContext });
    // The client hangs up on a certificate it does not trust.
    secured.on('error', () => {});
    super.accept(secured, port);
  }
}

/** A server with webhook mode whose callbacks, https ones included, end at a recorder. It is closed after the test. */
export function secureServer(
  webhooks: TestWebhookOptions = {},
  options: EventsOptions = {},
  recorder: SecureRecorder = new SecureRecorder(),
): WebhookTestServer & { readonly recorder: SecureRecorder } {
  const egress = {
    resolve: () => [PUBLIC_ADDRESS],
    connect: recorder.dial,
    tls: { ca: authority.cert },
    ...webhooks.egress,
  };
  const server = webhookServer({ ...webhooks, egress }, options, recorder);
  return server as WebhookTestServer & { readonly recorder: SecureRecorder };
}

/** The answer that consents to a challenge. */
export function echo({ body }: RecordedRequest): Exclude<Answer, 'hang'> {
  return { status: 200, body: JSON.stringify({ challenge: body.challenge }) };
}

/** Lets challenges hang until they are answered by `release`. */
export function holdChallenges({ recorder }: WebhookTestServer): void {
  recorder.answer = ({ body }) => (body?.type === 'verification' ? 'hang' : undefined);
}

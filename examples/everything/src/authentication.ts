import { createHash, timingSafeEqual } from 'node:crypto';
import type { AuthInfo } from '@modelcontextprotocol/server';

interface KnownToken {
  readonly digest: Buffer;
  readonly principal: string;
}

/** Bearer tokens and whom they stand for. */
export class Authentication {
  readonly #tokens: readonly KnownToken[];

  /** @param tokens secret -> principal */
  constructor(tokens: ReadonlyMap<string, string>) {
    this.#tokens = [...tokens].map(([secret, principal]) => ({ digest: digestOf(secret), principal }));
  }

  /** Who asks, `undefined` for nobody in particular, or the answer that refuses the request. */
  authenticate(request: Request): AuthInfo | Response | undefined {
    const header = request.headers.get('authorization');
    if (header === null) return undefined;
    const secret = /^Bearer +(\S+)$/i.exec(header)?.[1];
    if (secret === undefined) return challenge('The Authorization header must be "Bearer", a space and a token');
    const digest = digestOf(secret);
    // Digests have one length, and comparing them takes the same time wherever they differ.
    const known = this.#tokens.find((candidate) => timingSafeEqual(candidate.digest, digest));
    if (known === undefined) return challenge('This token is not known; see --token');
    return authInfoOf(known.principal, secret);
  }
}

/** What an authenticated request tells the server about its caller. */
export function authInfoOf(principal: string, token = ''): AuthInfo {
  return { token, clientId: principal, scopes: [], extra: { sub: principal } };
}

function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

function challenge(description: string): Response {
  const quoted = description.replaceAll('"', "'");
  return Response.json(
    { error: 'invalid_token', error_description: description },
    {
      status: 401,
      headers: { 'www-authenticate': `Bearer error="invalid_token", error_description="${quoted}"` },
    },
  );
}

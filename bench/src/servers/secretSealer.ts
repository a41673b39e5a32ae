/** The part of the server package that encrypts secrets. It is no public export, so its file is named. */
export interface SecretSealer {
  seal(subscriptionId: string, secret: string): string;
}

const path = new URL('delivery/webhook/signing/secretSealer.js', import.meta.resolve('@mcp-events/server')).href;

export const { SecretSealer } = (await import(path)) as { SecretSealer: new (keys: readonly string[]) => SecretSealer };

/** What a client shows over HTTP. This server believes everybody. */
export function credentialsOf(principal: string): { readonly authorization: string } {
  return { authorization: `Bearer ${principal}` };
}

/** Who shows these credentials. */
export function principalOf(authorization: string | null | undefined): string | undefined {
  return authorization?.startsWith('Bearer ') === true ? authorization.slice('Bearer '.length) : undefined;
}

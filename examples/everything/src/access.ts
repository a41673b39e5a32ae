/** Which principal may no longer see which event type. Stands for an access list outside of the server: it outlives restarts. */
export class Access {
  readonly #revoked = new Set<string>();

  revoke(principal: string, name: string): void {
    this.#revoked.add(key(principal, name));
  }

  grant(principal: string, name: string): void {
    this.#revoked.delete(key(principal, name));
  }

  allows(principal: string | undefined, name: string): boolean {
    return principal === undefined || !this.#revoked.has(key(principal, name));
  }
}

function key(principal: string, name: string): string {
  return JSON.stringify([principal, name]);
}

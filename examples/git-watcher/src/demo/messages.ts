/** Environment variable with the keys that encrypt stored signing secrets: other users can read arguments, not this. */
export const SECRET_KEYS_VARIABLE = 'GIT_WATCHER_SECRET_KEYS';

/** What the server's process tells the demo. */
export type ServerMessage = { kind: 'listening'; url: string };

/** What a subscriber's process tells the demo while it runs; the verdict is based on its journal alone. */
export type SubscriberMessage =
  /** It has a position, so nothing that happens from now on can escape it. */
  | { kind: 'following'; eventType: string }
  | { kind: 'event'; eventType: string; what: string }
  | { kind: 'gap'; eventType: string };

/** Tells the process that started this one; nothing if there is none. */
export function tellParent(message: ServerMessage | SubscriberMessage): void {
  process.send?.(message);
}

/** A child that outlives its parent would hold the terminal and the port. */
export function endWithParent(): void {
  process.once('disconnect', () => process.exit(1));
}

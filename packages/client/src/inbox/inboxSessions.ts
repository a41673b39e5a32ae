import type { CursorStore } from '../store/cursorStore.ts';
import { type Inbox, isInbox } from './inbox.ts';

/** The inboxes of one client, each as its own: what another client loads, this one cannot write any more. */
export class InboxSessions {
  readonly #sessions = new Map<CursorStore, CursorStore>();

  /** The client's session of an inbox, always the same; any other store as it is. */
  of<S extends CursorStore>(store: S): S;
  of(store: CursorStore): CursorStore {
    if (!isInbox(store) || store.session === undefined) return store;
    const known = this.#sessions.get(store);
    if (known !== undefined) return known;
    const session: Inbox = store.session();
    this.#sessions.set(store, session);
    return session;
  }
}

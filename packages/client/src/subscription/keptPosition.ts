import type { CursorStore, SubscriptionRecord } from '../store/cursorStore.ts';
import type { Position } from './position.ts';

/** Where a position is kept, and as what. */
interface Place {
  record: SubscriptionRecord;
  store: CursorStore;
}

/** The position of one subscription, and what the store has of it. */
export class KeptPosition {
  readonly #key: string;
  readonly #over: AbortSignal;
  #store: CursorStore;
  /** All that may have a record of it. */
  readonly #stores: Set<CursorStore>;
  #current: Position;
  /** What the store has. */
  #saved: SubscriptionRecord;
  /** Nothing may bring its records back. */
  #isForgotten = false;
  #storing: Promise<unknown> = Promise.resolve();

  /** @param over aborts when the subscription is over: from then on the record belongs to whoever subscribes next */
  constructor(key: string, { record, store }: Place, over: AbortSignal) {
    this.#key = key;
    this.#over = over;
    this.#store = store;
    this.#stores = new Set([store]);
    this.#current = { record, inOrder: 0 };
    this.#saved = record;
  }

  /** How far everything is acknowledged. */
  get current(): Position {
    return this.#current;
  }

  /** The cursor as it is stored. */
  get storedCursor(): string | null {
    return this.#saved.cursor;
  }

  /** What the store may still be doing. */
  get storing(): Promise<unknown> {
    return this.#storing;
  }

  /** Moves it, to be stored with what comes next. */
  move(position: Position): void {
    this.#current = position;
  }

  /** Changes what is stored beside the position. */
  update(changes: Pick<SubscriptionRecord, 'ended' | 'webhook' | 'promised'>): void {
    const { record } = this.#current;
    this.#current = { ...this.#current, record: { ...record, ...changes } };
  }

  /** Stores it, if it moved. */
  save(): Promise<void> {
    return this.#saveUnless(() => this.#over.aborted);
  }

  /**
   * Stores what was acknowledged up to the end. For when the subscription is over: the caller knows whether the record still
   * belongs to it.
   */
  saveLast(): Promise<void> {
    return this.#saveUnless(() => this.#isForgotten);
  }

  /** This store may have a record from now on. */
  mayBeIn(store: CursorStore): void {
    this.#stores.add(store);
  }

  /** The store has to have done this before the subscription is over. */
  track<R>(step: Promise<R>): Promise<R> {
    this.#storing = step;
    return step;
  }

  /** After what the store is still doing: it is never called twice at once. */
  #saveUnless(isTooLate: () => boolean): Promise<void> {
    if (this.#current.record === this.#saved || isTooLate()) return Promise.resolve();
    const step = async (): Promise<void> => {
      const { record } = this.#current;
      if (record === this.#saved || isTooLate()) return;
      await this.#store.save(this.#key, record);
      this.#saved = record;
    };
    return this.track(this.#storing.then(step, step));
  }

  /** Moves it to what was stored in a transaction of the application. */
  committed(position: Position): void {
    // Delivery may have changed the rest meanwhile.
    const { ended, webhook } = this.#current.record;
    const { record } = position;
    this.#saved = record;
    const isSame = ended === record.ended && webhook?.path === record.webhook?.path;
    const merged = { ...record, ended, webhook: webhook && { ...webhook, seen: record.webhook?.seen ?? [] } };
    this.#current = isSame ? position : { ...position, record: merged };
  }

  /**
   * Goes on from a record of another store.
   *
   * @param isSameDelivery it is the record of this position, and delivery, which may have changed it meanwhile, goes on
   */
  moveTo({ record, store }: Place, isSameDelivery: boolean): void {
    this.#store = store;
    if (isSameDelivery) {
      this.committed({ record, inOrder: 0 });
      return;
    }
    this.#current = { record, inOrder: 0 };
    this.#saved = record;
  }

  /** Deletes every record of it. */
  async forget(): Promise<void> {
    this.#isForgotten = true;
    // A save under way would bring the record back.
    await this.#storing.catch(() => {});
    await Promise.all([...this.#stores].map((store) => store.delete(this.#key)));
  }
}

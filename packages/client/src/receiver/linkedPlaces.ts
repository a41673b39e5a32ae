/**
 * Places in an order, each known by its position and by that of the place before it; `null` before the first of a chain.
 * Iterates in the order they were added.
 */
export class LinkedPlaces<P extends { previous: string | null }> {
  readonly #places = new Map<string, P>();
  /** Positions by the one before them. Two may name the same one, each in its own chain. */
  readonly #followers = new Map<string | null, Set<string>>();
  readonly #maxPlaces: number;

  /** @param maxPlaces at more than that, the one added first is forgotten */
  constructor(maxPlaces: number = Infinity) {
    this.#maxPlaces = maxPlaces;
  }

  get size(): number {
    return this.#places.size;
  }

  [Symbol.iterator](): IterableIterator<[string, P]> {
    return this.#places.entries();
  }

  get(position: string): P | undefined {
    return this.#places.get(position);
  }

  /** Positions right behind this one, or those that begin a chain, in the order they were added. */
  behind(position: string | null): string[] {
    return [...(this.#followers.get(position) ?? [])];
  }

  /** Adds a place, in the stead of another one at its position. */
  add(position: string, place: P): void {
    this.delete(position);
    this.#places.set(position, place);
    this.#follow(place.previous, position);
    if (this.#places.size <= this.#maxPlaces) return;
    const [oldest] = this.#places.keys();
    if (oldest !== undefined) this.delete(oldest);
  }

  /** A place comes behind another one from now on. */
  relink(position: string, previous: string | null): void {
    const place = this.#places.get(position);
    if (place === undefined || place.previous === previous) return;
    this.#unfollow(place.previous, position);
    this.#follow(previous, position);
    place.previous = previous;
  }

  /** @returns the place, if there was one */
  delete(position: string): P | undefined {
    const place = this.#places.get(position);
    if (place === undefined) return undefined;
    this.#places.delete(position);
    this.#unfollow(place.previous, position);
    return place;
  }

  clear(): void {
    this.#places.clear();
    this.#followers.clear();
  }

  #follow(previous: string | null, position: string): void {
    const others = this.#followers.get(previous);
    if (others === undefined) this.#followers.set(previous, new Set([position]));
    else others.add(position);
  }

  #unfollow(previous: string | null, position: string): void {
    // At constant cost: a server may name one place before thousands.
    const others = this.#followers.get(previous);
    others?.delete(position);
    if (others?.size === 0) this.#followers.delete(previous);
  }
}

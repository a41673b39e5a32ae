import type { ReceivedEvent } from './receivedEvent.ts';

/** What a schema says of a value. */
export type PayloadResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] };

/** A schema of any library that follows Standard Schema, such as zod, valibot or arktype. */
export interface PayloadSchema<T> {
  readonly '~standard': {
    readonly validate: (value: unknown) => PayloadResult<T> | Promise<PayloadResult<T>>;
  };
}

/** Checks the data of events against the application's schema, each event once: what a schema makes of data is no input for it. */
export class PayloadCheck {
  readonly #schema: PayloadSchema<unknown>;
  readonly #checked = new WeakSet<ReceivedEvent>();

  constructor(schema: PayloadSchema<unknown>) {
    this.#schema = schema;
  }

  /**
   * Puts what the schema makes of the data in its place.
   *
   * @returns why the data does not fit, undefined if it does
   */
  async check(event: ReceivedEvent): Promise<string | undefined> {
    if (this.#checked.has(event)) return undefined;
    const result = await this.#schema['~standard'].validate(event.data);
    if (result.issues !== undefined) return result.issues.map(({ message }) => message).join('; ') || 'no reason given';
    event.data = result.value as ReceivedEvent['data'];
    this.#checked.add(event);
    return undefined;
  }
}

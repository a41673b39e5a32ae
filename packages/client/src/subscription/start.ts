/** The beginning of a subscription, which others wait for. Ends once; what comes later is too late to matter. */
export class Start {
  readonly begun: Promise<void>;
  #settle: (error?: Error) => void = () => {};
  #isOver = false;

  constructor() {
    this.begun = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    // Nobody may be waiting.
    this.begun.catch(() => {});
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** @param error what those who wait are told */
  end(error?: Error): void {
    this.#isOver = true;
    this.#settle(error);
  }
}

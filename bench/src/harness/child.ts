import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What another process offers: asynchronous functions with one plain argument. */
type Commands<T> = { [Name in keyof T]: (argument: never) => Promise<unknown> };

interface Call {
  readonly call: number;
  readonly command: string;
  readonly argument: unknown;
}

interface Answer {
  readonly call: number;
  readonly result?: unknown;
  readonly error?: string;
}

/**
 * No command takes longer than this on a machine that works; a hanging benchmark must end by itself. A million
 * subscriptions take three minutes to make.
 */
const TIMEOUT_MS = 600_000;

export interface Child<T extends Commands<T>> {
  call<Name extends keyof T & string>(
    command: Name,
    ...argument: Parameters<T[Name]>
  ): Promise<Awaited<ReturnType<T[Name]>>>;
  /** Ends the process and resolves when it has gone. */
  close(): Promise<void>;
}

export interface ChildOptions {
  /** Options of the Node.js process, such as `--expose-gc`. */
  readonly nodeOptions?: readonly string[];
  /** Takes what the child sends without being asked. */
  readonly onReport?: (report: unknown) => void;
}

/** Starts a module of this workspace as a process of its own. The module calls {@link serve}. */
export function startChild<T extends Commands<T>>(
  module: string,
  { nodeOptions = [], onReport }: ChildOptions = {},
): Child<T> {
  const path = fileURLToPath(new URL(`../${module}.js`, import.meta.url));
  const child = fork(path, { execArgv: [...nodeOptions] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const pending = new Map<number, (answer: Answer) => void>();
  let calls = 0;
  child.on('message', (message: Answer | { report: unknown }) => {
    if ('report' in message) onReport?.(message.report);
    else pending.get(message.call)?.(message);
  });
  void exited.then(() => {
    for (const [call, settle] of pending) settle({ call, error: 'the process ended' });
  });
  return {
    call: (command, ...[argument]) =>
      new Promise((resolve, reject) => {
        const call = ++calls;
        const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
        pending.set(call, ({ result, error }) => {
          clearTimeout(timer);
          pending.delete(call);
          if (error === undefined) resolve(result as never);
          else reject(new Error(`${module}, ${command}: ${error}`));
        });
        child.send({ call, command, argument } satisfies Call);
      }),
    close: async () => {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

/** Answers the parent's calls, and ends this process when the parent is done with it or gone. */
export function serve<T extends Commands<T>>(commands: T): void {
  process.on('message', ({ call, command, argument }: Call) => {
    const work = commands[command as keyof T](argument as never);
    work.then(
      (result) => process.send?.({ call, result } satisfies Answer),
      (error: unknown) => process.send?.({ call, error: String((error as Error).stack) } satisfies Answer),
    );
  });
  process.once('disconnect', () => process.exit());
}

/** Tells the parent something it did not ask for. */
export function report(value: unknown): void {
  process.send?.({ report: value });
}

import { styleText } from 'node:util';

/** Runs one step and prints what it shows. A step that fails ends the story. */
export async function step(what: string, run: () => void | Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    console.log(`${paint('red', 'FAIL')} ${what}`);
    throw error;
  }
  console.log(`${paint('green', 'ok  ')} ${what}`);
}

/** Runs the story, cleans up, and lets the process fail if it did. */
export async function tell(title: string, story: (cleanUp: (() => Promise<void>)[]) => Promise<void>): Promise<void> {
  console.log(`${title}\n`);
  const cleanUp: (() => Promise<void>)[] = [];
  try {
    await story(cleanUp);
    console.log('\nAll of it held.');
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  } finally {
    for (const close of cleanUp.toReversed()) await close();
  }
}

function paint(style: 'green' | 'red', text: string): string {
  return process.stdout.isTTY ? styleText(style, text) : text;
}

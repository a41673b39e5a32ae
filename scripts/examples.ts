// Runs the self-check of every example that has one: its `verify` script.
import { verifiableExamples, verifyExample } from './lib/examples.ts';

for (const example of await verifiableExamples()) {
  const { ok, output } = await verifyExample(example);
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${example.name}`);
  if (!ok) {
    console.log(output);
    process.exitCode = 1;
  }
}

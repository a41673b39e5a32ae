// A server's process: has the storage open, appends what it is told to, and opens and closes files like other parts of it would.
import { cpSync, readFileSync } from 'node:fs';
import { systemClock } from '@mcp-events/server';
import type { Clock } from '@mcp-events/server';
import { openSqliteStorage } from '@mcp-events/sqlite';
import { event, unbounded } from './support.ts';

export type Order =
  | { readonly kind: 'append'; readonly ids: readonly string[] }
  | { readonly kind: 'read'; readonly path: string }
  | { readonly kind: 'copy'; readonly folder: string; readonly to: string };

const [, , file = ''] = process.argv;
// With each order, so much time has passed that no earlier look at the files holds.
let passedMs = 0;
const clock: Clock = { ...systemClock, monotonicMs: () => passedMs };
const storage = await openSqliteStorage({ file, clock, onWarning: () => {} });
const log = storage.openLog('sample', unbounded);

async function obey(order: Order): Promise<readonly string[]> {
  passedMs += 1_000;
  if (order.kind === 'read') readFileSync(order.path);
  if (order.kind === 'copy') cpSync(order.folder, order.to, { recursive: true });
  if (order.kind !== 'append') return [];
  const kept: string[] = [];
  for (const id of order.ids) {
    try {
      await log.append(event(id), { byteLength: 10 });
      kept.push(id);
    } catch {
      // What is refused is what the test looks for.
    }
  }
  return kept;
}

process.on('message', (order: Order) => void obey(order).then((kept) => process.send?.(kept)));
process.send?.([]);

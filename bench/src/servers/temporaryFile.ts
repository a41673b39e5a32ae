import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Path of a database that goes away with this process. */
export function temporaryFile(): string {
  const directory = mkdtempSync(join(tmpdir(), 'mcp-events-bench-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 'events.db');
}

// The published Standard Webhooks libraries on either end: run by `npm run verify`.
import { libraryNames } from './libraries.ts';
import { librariesToReceiver } from './librariesToReceiver.ts';
import { serverToLibraries } from './serverToLibraries.ts';
import { formatTable } from './table.ts';

const [verified, received] = await Promise.all([serverToLibraries(), librariesToReceiver()]);

console.log('Posted by @mcp-events/server, verified by');
console.log(formatTable([['', ...libraryNames], ...verified]));
console.log('Received by @mcp-events/client/receiver, signed by');
console.log(formatTable([['', ...libraryNames], ...received]));

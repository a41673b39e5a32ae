// The server over HTTP, as a process of its own.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler } from '@modelcontextprotocol/server';
import { openEventServer } from './eventServer.ts';
import { ProcessShell } from './processShell.ts';
import type { ServerConfig } from './serverConfig.ts';

const shell = await ProcessShell.start<ServerConfig>();
const { events, factory, begin } = await openEventServer(shell);
const handler = toNodeHandler(events.http(createMcpHandler(factory)));
const http = createServer((request, response) => void handler(request, response));
await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
await shell.hello((http.address() as AddressInfo).port);
begin();

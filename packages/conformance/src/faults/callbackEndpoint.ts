import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { nodeHandler } from '@mcp-events/client/node';
import type { Random } from '../simulation/random.ts';
import { pause } from './processShell.ts';
import type { ProcessConfig, ProcessShell } from './processShell.ts';

type Handle = (request: Request) => Promise<Response>;

/** Takes webhooks over HTTP, and answers as the runner wants it to. */
export class CallbackEndpoint {
  readonly port: number;
  readonly #shell: ProcessShell<ProcessConfig>;
  readonly #random: Random;
  readonly #handle: ReturnType<typeof nodeHandler>;

  private constructor(shell: ProcessShell<ProcessConfig>, handle: Handle, server: Server) {
    this.#shell = shell;
    this.#random = shell.random('endpoint');
    this.#handle = nodeHandler(handle);
    this.port = (server.address() as AddressInfo).port;
    server.on('request', (request, response) => void this.#answer(request, response));
  }

  static async listen(shell: ProcessShell<ProcessConfig>, handle: Handle): Promise<CallbackEndpoint> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new CallbackEndpoint(shell, handle, server);
  }

  #disturbed(why: string): void {
    this.#shell.facts.record({ fact: 'disturbed', process: this.#shell.config.name, why });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.once('close', () => {
      // Whoever posts has given it up, and may post again what was taken.
      if (!response.writableFinished) this.#disturbed('the answer was not waited for');
    });
    const behaviour = this.#shell.circumstances.endpoint;
    if (behaviour === null || !this.#random.chance(behaviour.share)) {
      this.#handle(request, response);
      return;
    }
    switch (behaviour.kind) {
      case 'status':
        response.writeHead(behaviour.status, this.#random.chance(0.5) ? { 'retry-after': '1' } : {}).end();
        request.resume();
        return;
      case 'slow':
        await pause(behaviour.delayMs);
        this.#handle(request, response);
        return;
      case 'hang':
        return;
      case 'loseAnswer':
        // What is written goes nowhere.
        response.write = () => true;
        response.writeHead = () => response;
        response.end = () => {
          request.socket.resetAndDestroy();
          return response;
        };
        this.#handle(request, response);
    }
  }
}

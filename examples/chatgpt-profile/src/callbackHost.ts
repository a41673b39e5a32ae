import type { CallbackHost } from './subscriber.ts';
import type { Certificate } from './support/certificate.ts';
import { listen } from './support/listen.ts';

/** Serves receivers over https, under a name that the server takes for a public one. */
export async function startCallbackHost(
  hostName: string,
  certificate: Certificate,
): Promise<CallbackHost & { close(): Promise<void> }> {
  const receivers = new Map<string, (request: Request) => Promise<Response>>();
  const listener = await listen(async (request) => {
    const receive = receivers.get(new URL(request.url).pathname);
    return receive === undefined ? new Response(null, { status: 404 }) : receive(request);
  }, certificate);
  return {
    origin: `https://${hostName}:${listener.port}`,
    mount: (path, receive) => {
      receivers.set(path, receive);
    },
    close: () => listener.close(),
  };
}

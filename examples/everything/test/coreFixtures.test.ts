import { describe, expect, it } from 'vitest';
import { startWorld } from './support/world.ts';
import type { RawClient } from './support/rawClient.ts';

const capabilities = { elicitation: {}, sampling: {}, roots: {} };
const withCapabilities = { _meta: { 'io.modelcontextprotocol/clientCapabilities': capabilities } };

async function start(): Promise<RawClient> {
  return (await startWorld({ coreFixtures: true })).client;
}

const call = (client: RawClient, name: string, more: object = {}): Promise<any> =>
  client.call('tools/call', { name, arguments: {}, ...withCapabilities, ...more });

describe('what suites for the core protocol ask for', () => {
  it('is there beside the events, and only where it is wanted', async () => {
    const { client } = await startWorld();
    expect((await client.error('prompts/list'))?.code).toBe(-32601);
    const server = await start();
    const { capabilities: declared } = await server.result('server/discover');
    expect(Object.keys(declared)).toEqual(
      expect.arrayContaining(['completions', 'events', 'extensions', 'logging', 'prompts', 'resources', 'tools']),
    );
    expect((await server.result('events/list')).events.length).toBeGreaterThan(5);
    const { resources } = await server.result('resources/list');
    for (const { uri } of resources) {
      expect((await server.result('resources/read', { uri })).contents).toMatchObject([{ uri }]);
    }
    const { contents } = await server.result('resources/read', { uri: 'test://template/7/data' });
    expect(JSON.parse(contents[0].text)).toEqual({ id: '7', templateTest: true, data: 'Data for ID: 7' });
    const ref = { type: 'ref/prompt', name: 'test_prompt_with_arguments' };
    const { completion } = await server.result('completion/complete', {
      ref,
      argument: { name: 'arg1', value: 'par' },
    });
    expect(completion.values).toEqual(['paris', 'park', 'party']);
  });

  it('asks again for what is missing, and takes what was asked for', async () => {
    const client = await start();
    const name = 'test_input_required_result_elicitation';
    for (const inputResponses of [
      undefined,
      {},
      { other: 1 },
      { user_name: { action: 'accept', content: { name: 5 } } },
    ]) {
      const { result } = await call(client, name, inputResponses === undefined ? {} : { inputResponses });
      expect(result?.resultType ?? 'refused').toMatch(/input_required|refused/);
    }
    const inputResponses = { user_name: { action: 'accept', content: { name: 'Ada' } }, more: { action: 'decline' } };
    expect((await call(client, name, { inputResponses })).result.content[0].text).toBe('Hello, Ada!');
  });

  it('takes no state that is not its own', async () => {
    const client = await start();
    const name = 'test_input_required_result_request_state';
    const { result } = await call(client, name);
    const inputResponses = { confirm: { action: 'accept', content: { ok: true } } };
    const { requestState } = result;
    expect((await call(client, name, { inputResponses, requestState })).result.content[0].text).toBe('state-ok');
    for (const wrong of [`${requestState}x`, 'v1.e30.e30', 'no']) {
      expect((await call(client, name, { inputResponses, requestState: wrong })).error).toBeDefined();
    }
  });

  it('asks only for what the client can give', async () => {
    const client = await start();
    const name = 'test_input_required_result_capabilities';
    for (const declared of [{ sampling: {} }, { elicitation: {} }]) {
      const _meta = { 'io.modelcontextprotocol/clientCapabilities': declared };
      const { result } = await client.call('tools/call', { name, arguments: {}, _meta });
      const methods = Object.values(result.inputRequests).map(({ method }: any) => method.split('/')[0]);
      expect(methods).toEqual(Object.keys(declared));
    }
  });
});

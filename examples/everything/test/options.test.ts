import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseCommandLine } from '../src/options.ts';

describe('the command line', () => {
  let stderr = '';
  beforeEach(() => {
    stderr = '';
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      stderr += String(text);
      return true;
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('has a default for everything', () => {
    expect(parseCommandLine([])).toEqual({
      stdio: false,
      port: 0,
      storageFile: undefined,
      counterFile: undefined,
      tokens: new Map(),
      anonymous: undefined,
      pageSize: undefined,
      quota: 100,
      controls: false,
      callbackOrigins: [],
    });
  });

  it('collects tokens', () => {
    const { tokens } = parseCommandLine(['--token', 'alice=s3cret==', '--token', 'bob=other']);
    expect(tokens).toEqual(
      new Map([
        ['s3cret==', 'alice'],
        ['other', 'bob'],
      ]),
    );
  });

  it('collects origins', () => {
    const origins = ['http://127.0.0.1:8080', 'https://a.example'];
    const { callbackOrigins } = parseCommandLine(origins.flatMap((origin) => ['--allow-callback-origin', origin]));
    expect(callbackOrigins).toEqual(origins);
  });

  it('takes either storage', () => {
    expect(parseCommandLine(['--storage', 'memory'])).toEqual(parseCommandLine([]));
    expect(parseCommandLine(['--storage', 'sqlite:data/events.db']).storageFile).toBe('data/events.db');
  });

  it.each([
    [['--port', '70000'], '65535'],
    [['--port', ''], '65535'],
    [['--token', 'alice'], 'alice=s3cret'],
    [['--token', '=x'], 'alice=s3cret'],
    [['--token', 'alice='], 'The secret needs'],
    [['--token', 'alice=x', '--token', 'bob=x'], 'Another principal'],
    [['--storage', 'sqlite:'], 'sqlite:events.db'],
    [['--storage', 'postgres'], 'Give memory'],
    [['--allow-callback-origin', 'https://a.example/path'], 'https://example.com:8443'],
    [['--allow-callback-origin', 'ftp://a.example'], 'https://example.com:8443'],
    [['--allow-callback-origin', 'a.example:8443'], 'https://example.com:8443'],
    [['--page-size', '0'], 'at least 1'],
    [['--quota', '1.5'], 'at least 1'],
    [['--anonymous', ''], 'must not be empty'],
    [['--stdio', '--port', '3000'], "'--port <number>'"],
    [['--unknown'], "'--unknown'"],
  ])('says what is wrong with %j', (args, message) => {
    expect(() => parseCommandLine(args)).toThrow();
    expect(stderr).toContain(message);
  });
});

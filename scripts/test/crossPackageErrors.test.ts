import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Classes of errors that cross the border of a package. */
const CROSSING = [
  'EventsError',
  'EventsClientError',
  'EventsNotSupportedError',
  'NoCompatibleDeliveryModeError',
  'DeliveryModeNotAvailableError',
  'StorageError',
];

/** What decides by such a class. */
const DECIDES = new RegExp(`instanceof\\s+(?:\\w+\\.)?(?:${CROSSING.join('|')})\\b`);

function sources(): { path: string; text: string }[] {
  const folders = ['packages', 'examples'].flatMap((folder) =>
    readdirSync(`${root}${folder}`).map((name) => `${folder}/${name}/src`),
  );
  return [...folders, 'bench/src'].flatMap((folder) =>
    readdirSync(root + folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => ({ path: `${folder}/${name}`, text: readFileSync(`${root}${folder}/${name}`, 'utf8') })),
  );
}

it('knows what it looks for', () => {
  expect(DECIDES.test('error instanceof EventsError')).toBe(true);
  expect(DECIDES.test('error instanceof events.StorageError)')).toBe(true);
  expect(DECIDES.test('error instanceof EventsErrors')).toBe(false);
  expect(DECIDES.test('isEventsError(error)')).toBe(false);
});

it('ERR-10 no source decides by the class of an error that another copy of a package may have made', () => {
  const found = sources().filter(({ text }) => DECIDES.test(text));
  expect(sources().length).toBeGreaterThan(300);
  expect(found.map(({ path }) => path)).toEqual([]);
});

it('every error class a package exports is looked for', () => {
  const exported = sources()
    .filter(({ path }) => path.startsWith('packages/') && !path.startsWith('packages/conformance/'))
    .flatMap(({ path, text }) =>
      [...text.matchAll(/^export class (\w+) extends (?:Error|EventsClientError)\b/gm)].map(([, name]) => ({
        path,
        name,
      })),
    );
  const index = sources().filter(({ path }) => /^packages\/\w+\/src\/\w+\.ts$/.test(path));
  const crossing = exported.filter(({ name, path }) =>
    index.some((each) => each.path !== path && new RegExp(`export \\{[^}]*\\b${name}\\b`).test(each.text)),
  );
  expect(crossing.map(({ name = '' }) => name).toSorted()).toEqual(CROSSING.toSorted());
});

import { expect, it } from 'vitest';
import { readExamples } from '../lib/docExamples.ts';

const FENCE = '```';
const block = (code: string, directive = ''): string => `${directive}${FENCE}ts\n${code}\n${FENCE}\n\n`;

it('takes every TypeScript block of a page, with its place', () => {
  const examples = readExamples(
    'docs/a-page.md',
    `# Page\n\n${block('one();')}${FENCE}sh\nls\n${FENCE}\n\n${block('two();')}`,
  );
  expect(examples.map(({ place, name, code, run }) => ({ place, name, code, run }))).toEqual([
    { place: 'docs/a-page.md:3', name: 'docs-a-page-md-3', code: '\none();\n', run: false },
    { place: 'docs/a-page.md:11', name: 'docs-a-page-md-11', code: '\ntwo();\n', run: false },
  ]);
});

it('puts hidden code in front, and the block it continues, which may be continued by others', () => {
  const page = [
    block('const a = 1;'),
    block('a + b;', '<!-- example continues\nconst b = 2;\n-->\n\n'),
    block('a + c;', '<!-- example continues\nconst c = 3;\n-->\n\n'),
  ].join('');
  expect(readExamples('p.md', page).map(({ code }) => code)).toEqual([
    '\nconst a = 1;\n',
    '\nconst a = 1;\nconst b = 2;\n\na + b;\n',
    '\nconst a = 1;\nconst c = 3;\n\na + c;\n',
  ]);
});

it('reads what is to be done, of the comment right before the block alone', () => {
  const page = `<!-- example run -->\n\ntext\n\n${block('a;')}${block('b;', '<!-- example background prints=it is here -->\n')}${block('c;', '<!-- example run -->\n')}`;
  expect(readExamples('p.md', page).map(({ run, background, prints }) => [run, background, prints])).toEqual([
    [false, false, undefined],
    [true, true, 'it is here'],
    [true, false, undefined],
  ]);
});

it('refuses a word that means nothing', () => {
  expect(() => readExamples('p.md', block('a;', '<!-- example runs -->\n'))).toThrow('p.md:2: "runs" is nothing');
});

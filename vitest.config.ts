import { defineConfig } from 'vitest/config';

const sourceCondition = '@mcp-events/source';

export default defineConfig({
  ssr: { resolve: { conditions: [sourceCondition, 'module', 'node', 'import', 'default'] } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'examples/*/test/**/*.test.ts', 'scripts/test/**/*.test.ts'],
    coverage: { include: ['packages/*/src/**/*.ts'], reporter: ['text', 'html'] },
  },
});

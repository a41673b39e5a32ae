import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Only our own condition: vitest passes these to Node.js, where `import` or `module` would make `require` in CommonJS
  // packages load ES modules they do not expect (Express breaks).
  ssr: { resolve: { conditions: ['@mcp-events/source'] } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'examples/*/test/**/*.test.ts', 'scripts/test/**/*.test.ts'],
    setupFiles: ['scripts/lib/propertySeed.ts'],
    // Loading the same modules anew for each file took as long as all tests together; state that outlives a file is a defect.
    isolate: false,
    // The default leaves one core to whoever works at the machine, which on two cores is half of it.
    maxWorkers: '100%',
    // Only ends what hangs: how fast this machine is, and what else it does, is no property of the code.
    testTimeout: 30_000,
    coverage: { include: ['packages/*/src/**/*.ts'], reporter: ['text', 'html'] },
  },
});

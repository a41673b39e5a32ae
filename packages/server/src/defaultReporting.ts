/* oxlint-disable eslint/no-console -- where problems go when the operator says nothing: standard error */
import type { ProblemContext } from './options.ts';

export function writeError(error: unknown, context: ProblemContext): void {
  console.error('MCP Events:', context, error);
}

export function writeWarning(message: string, context: ProblemContext): void {
  console.warn('MCP Events:', message, context);
}

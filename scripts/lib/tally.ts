/** How many checks passed and failed. */
export interface Tally {
  passed: number;
  failed: number;
}

/** The part of vitest's JSON report that is counted. */
export interface TestReport {
  success: boolean;
  numPassedTests: number;
  numFailedTests: number;
}

/**
 * Counts a test run. A run that failed without a failed test (a file that cannot be loaded, an unhandled rejection) or
 * that ran nothing counts as one failure, so that it never looks green.
 */
export function tallyOfReport({ success, numPassedTests, numFailedTests }: TestReport): Tally {
  const broken = !success || numPassedTests + numFailedTests === 0;
  return { passed: numPassedTests, failed: broken ? Math.max(numFailedTests, 1) : numFailedTests };
}

/** The gate's last line. */
export function formatTally({ passed, failed }: Tally): string {
  return `${passed} passed, ${failed} failed`;
}

import { describe, expect, it } from 'vitest';
import { formatTally, tallyOfReport } from '../lib/tally.ts';

describe('tallyOfReport', () => {
  it.each([
    ['counts tests', { success: true, numPassedTests: 7, numFailedTests: 0 }, { passed: 7, failed: 0 }],
    ['counts failed tests', { success: false, numPassedTests: 5, numFailedTests: 2 }, { passed: 5, failed: 2 }],
    [
      'fails when a file cannot be loaded',
      { success: false, numPassedTests: 5, numFailedTests: 0 },
      { passed: 5, failed: 1 },
    ],
    ['fails when nothing ran', { success: true, numPassedTests: 0, numFailedTests: 0 }, { passed: 0, failed: 1 }],
  ])('%s', (_, report, tally) => {
    expect(tallyOfReport(report)).toEqual(tally);
  });
});

describe('formatTally', () => {
  it('is the line that tools read', () => {
    expect(formatTally({ passed: 12, failed: 0 })).toBe('12 passed, 0 failed');
  });
});

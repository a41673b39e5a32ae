import { expect, it } from 'vitest';
import * as server from '../src/index.ts';
import * as node from '../src/node.ts';

it('exports exactly these values', () => {
  expect(Object.keys(server).toSorted()).toEqual([
    'Events',
    'EventsError',
    'FeedEvent',
    'Gap',
    'deadLetterBounds',
    'defaultLimits',
    'defaultRetention',
    'defaultRetryRules',
    'defaultSuspensionRules',
    'defaultWebhookLimits',
    'forbidden',
    'internalError',
    'isEventsError',
    'memoryStorage',
    'systemClock',
    'timestampMs',
    'unsupported',
  ]);
});

it('exports exactly these values for Node.js', () => {
  expect(Object.keys(node).toSorted()).toEqual(['mcpNodeHandler', 'nodeHandler']);
});

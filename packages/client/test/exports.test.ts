import { expect, it } from 'vitest';
import * as client from '../src/index.ts';
import * as node from '../src/node.ts';
import * as sqlite from '../src/sqlite.ts';

it('exports exactly these values', () => {
  expect(Object.keys(client).toSorted()).toEqual([
    'DeliveryModeNotAvailableError',
    'EventsClient',
    'EventsClientError',
    'EventsNotSupportedError',
    'NoCompatibleDeliveryModeError',
    'boundedFetch',
    'eventsClientCapabilities',
    'eventsTransport',
    'isEventsClientError',
    'memoryStore',
    'systemClock',
  ]);
});

it('exports exactly these values for Node.js', () => {
  expect(Object.keys(node).toSorted()).toEqual(['fileInboxStore', 'fileStore', 'nodeHandler']);
});

it('exports exactly these values for SQLite', () => {
  expect(Object.keys(sqlite)).toEqual(['sqliteInbox']);
});

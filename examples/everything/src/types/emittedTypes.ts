import * as z from 'zod';
import type { EventTypes } from './eventTypes.ts';

const textPayload = z.object({ text: z.string() });

/** The event types that are quiet until a tool emits. */
export function offerEmittedTypes(types: EventTypes): void {
  const severity = z.enum(['low', 'medium', 'high']);
  types.offer('alert.fired', {
    description: 'An alert fired.',
    input: z.object({ severity: severity.describe('Only alerts of this severity').optional() }),
    payload: z.object({ severity, message: z.string() }),
    filter: { severity: 'severity' },
  });
  types.offer('build.finished', {
    description: 'A build finished.',
    payload: z.object({ build: z.string(), status: z.enum(['passed', 'failed']) }),
  });
  types.offer('feed.pollonly', {
    description: 'An entry of a feed that is delivered by poll only.',
    payload: textPayload,
    delivery: ['poll'],
  });
  types.offer('feed.pushonly', {
    description: 'An entry of a feed that is delivered by push only.',
    payload: textPayload,
    delivery: ['push'],
  });
  types.offer('live.presence', {
    description: 'Somebody came or went. Not kept: only who listens at the moment is told, and cursors are null.',
    payload: z.object({ user: z.string(), status: z.enum(['online', 'away', 'offline']) }),
    replay: false,
  });
  types.offer('secret.topic', {
    description: 'News of a team, for the principal of the same name only.',
    input: z.object({ team: z.string().describe('The name of the caller') }),
    payload: z.object({ team: z.string(), text: z.string() }),
    filter: { team: 'team' },
    authorize: ({ principal }, { team }) => principal === team,
  });
}

/** A type made by a tool. */
export function offerAddedType(types: EventTypes, name: string): void {
  types.offer(name, { description: 'Added by the add_type tool.', payload: textPayload });
}

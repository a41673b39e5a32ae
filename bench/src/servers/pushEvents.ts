import { createEventsTarget } from './eventsServer.ts';
import { servePush } from './pushServer.ts';

servePush(() => createEventsTarget());

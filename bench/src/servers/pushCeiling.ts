import { servePush } from './pushServer.ts';
import { createSseTarget } from './sseWriter.ts';

servePush(createSseTarget);

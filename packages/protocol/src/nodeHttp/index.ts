export type { NodeRequest, NodeResponse, Timers } from './messages.ts';
export { type FetchHandler, type NodeContext, nodeHandler, type NodeHandlerOptions } from './nodeHandler.ts';
export { BODY_ALREADY_READ } from './requestBody.ts';

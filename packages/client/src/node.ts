export { nodeHandler, type NodeHandlerOptions } from '@mcp-events/protocol/node-http';
export { fileInboxStore } from './receiver/fileInboxStore.ts';
export { fileStore } from './store/fileStore.ts';

export { fileInboxStore } from './receiver/fileInboxStore.ts';
export { fileStore } from './store/fileStore.ts';

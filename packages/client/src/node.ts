export { fileStore } from './store/fileStore.ts';

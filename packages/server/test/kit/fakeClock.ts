export { FakeClock, settle, until } from '../../../../testing/fakeClock.ts';

export { FakeClock, settle } from '../../../../testing/fakeClock.ts';
